/**
 * Presigned addresses of the local store: the key is the path, and the query holds expiry, file name and an HMAC over
 * all of them and the method. Whoever has the address can do that one thing, so it is as secret as what it opens.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { ObjectStoreError } from './errors.ts'
import { checkKey } from './keys.ts'
import type { PresignGetOptions, PresignOptions } from './port.ts'

type PresignMethod = 'GET' | 'PUT'

export interface Presigned {
  key: string
  /** The name to save the file under; `null` when the signer gave none. */
  filename: string | null
}

export type PresignVerdict =
  | { presigned: Presigned; refusal?: undefined }
  /** `INVALID` covers everything that was changed or never signed. */
  | { refusal: 'INVALID' | 'EXPIRED'; presigned?: undefined }

export interface Signer {
  presignGet(key: string, options: PresignGetOptions): string
  presignPut(key: string, options: PresignOptions): string
  /**
   * Whether the address of a request was signed for this method and still holds. `url` may be relative, as servers see
   * it: the host is not part of the signature, the path is. An address for GET also serves HEAD.
   */
  verifyPresigned(url: string, method: string): PresignVerdict
}

export interface SignerOptions {
  /** What addresses start with: scheme, host and the path at which the routes are mounted. */
  publicUrl: string
  secret: string
  /** Milliseconds since 1970. */
  now: () => number
}

const longestExpiry = 7 * 24 * 60 * 60

export function checkExpiry(expiresSeconds: number): void {
  if (Number.isInteger(expiresSeconds) && expiresSeconds >= 1 && expiresSeconds <= longestExpiry) return
  throw new ObjectStoreError('INVALID_OPTION', `An address expires after 1 to ${longestExpiry} seconds`)
}

export function createSigner({ publicUrl, secret, now }: SignerOptions): Signer {
  if (secret === '') throw new TypeError('An empty secret would let everybody sign addresses')
  const base = publicUrl.replace(/\/+$/, '')
  const basePath = new URL(base).pathname.replace(/\/+$/, '')

  function signature(grant: Grant): Buffer {
    // JSON keeps the fields apart; the first one keeps these signatures apart from others made with the same secret.
    const { method, key, expires, filename } = grant
    const text = JSON.stringify(['tutti-object-url-1', method, key, expires, filename])
    return createHmac('sha256', secret).update(text).digest()
  }

  function presign(method: PresignMethod, key: string, expiresSeconds: number, filename: string | null): string {
    checkKey(key)
    checkExpiry(expiresSeconds)
    const expires = Math.floor(now() / 1000) + expiresSeconds
    const query = new URLSearchParams({ expires: String(expires) })
    if (filename !== null) query.set('filename', filename)
    query.set('signature', signature({ method, key, expires, filename }).toString('base64url'))
    return `${base}/${key.split('/').map(encodeURIComponent).join('/')}?${query}`
  }

  return {
    presignGet: (key, { expiresSeconds, filename }) =>
      presign('GET', key, expiresSeconds, filename?.toWellFormed() ?? null),
    presignPut: (key, { expiresSeconds }) => presign('PUT', key, expiresSeconds, null),
    verifyPresigned(url, method) {
      const parsed = URL.parse(url, 'http://host')
      const key = parsed === null ? null : keyOf(parsed.pathname, basePath)
      const granted = method === 'HEAD' ? 'GET' : method
      if (parsed === null || key === null || (granted !== 'GET' && granted !== 'PUT')) return { refusal: 'INVALID' }
      const expires = Number(parsed.searchParams.get('expires'))
      const filename = parsed.searchParams.get('filename')
      const offered = Buffer.from(parsed.searchParams.get('signature') ?? '', 'base64url')
      const expected = signature({ method: granted, key, expires, filename })
      if (offered.length !== expected.length || !timingSafeEqual(offered, expected)) return { refusal: 'INVALID' }
      if (expires * 1000 <= now()) return { refusal: 'EXPIRED' }
      return { presigned: { key, filename } }
    },
  }
}

interface Grant {
  method: PresignMethod
  key: string
  /** Seconds since 1970. */
  expires: number
  filename: string | null
}

function keyOf(pathname: string, basePath: string): string | null {
  if (!pathname.startsWith(`${basePath}/`)) return null
  try {
    const segments = pathname.slice(basePath.length + 1).split('/')
    return segments.map(decodeURIComponent).join('/')
  } catch {
    return null
  }
}
