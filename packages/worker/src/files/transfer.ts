/** Moves the bytes of one file between a presigned address and the disk, a few chunks at a time. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { request as plain } from 'node:http'
import { request as secure } from 'node:https'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { rootCertificates } from 'node:tls'
import { IntegrityError } from '../errors.ts'

/** The other side answered with something else than a success. */
export class TransferError extends Error {
  override readonly name = 'TransferError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface Facts {
  /** Bytes. */
  size: number
  /** Hex. */
  sha256: string
}

export interface Transfer {
  /**
   * In place of what is at the path. Ends as soon as there is more than expected.
   * @throws TransferError, IntegrityError
   */
  download(url: string, path: string, expected: Partial<Facts>, signal: AbortSignal): Promise<Facts>
  /** @throws TransferError */
  upload(url: string, headers: Record<string, string>, path: string, size: number, signal: AbortSignal): Promise<void>
}

/** A connection that brings nothing for so long is dead. */
const silenceMs = 60_000

/** @param ca an authority that is trusted beside the usual ones, PEM */
export const createTransfer = ({ ca }: { ca?: string | undefined } = {}): Transfer => {
  const trusted = ca === undefined ? {} : { ca: [...rootCertificates, ca] }

  // Not `fetch`: it sends a stream without saying how long it is, which S3 refuses.
  const exchange = async (
    method: 'GET' | 'PUT',
    url: string,
    headers: Record<string, string | number>,
    body: string | undefined,
    signal: AbortSignal,
    take: (answer: Readable) => Promise<void>,
  ): Promise<void> => {
    const asked =
      new URL(url).protocol === 'https:'
        ? secure(url, { method, headers, signal, ...trusted })
        : plain(url, { method, headers, signal })
    asked.setTimeout(silenceMs, () => asked.destroy(new Error(`nothing came for ${silenceMs / 1000} s`)))
    const answered = new Promise<void>((resolve, reject) => {
      asked.on('error', reject)
      asked.on('response', (answer) => {
        const { statusCode: status = 0 } = answer
        if (status >= 200 && status < 300) take(answer).then(resolve, reject)
        else
          beginning(answer).then(
            (said) =>
              reject(new TransferError(status, `${method} ${new URL(url).pathname} answered ${status}: ${said}`)),
            reject,
          )
      })
    })
    if (body === undefined) asked.end()
    // A file that can’t be read breaks the request, which is told above. And an answer that comes before the body is through, a
    // refusal, counts more than the broken pipe behind it.
    else pipeline(createReadStream(body), asked).catch(() => {})
    await answered
  }

  return {
    download: async (url, path, expected, signal) => {
      const hash = createHash('sha256')
      let size = 0
      await exchange('GET', url, {}, undefined, signal, (answer) =>
        pipeline(
          answer,
          async function* (chunks: AsyncIterable<Buffer>) {
            for await (const chunk of chunks) {
              size += chunk.length
              if (expected.size !== undefined && size > expected.size)
                throw new IntegrityError(`it is longer than the ${expected.size} bytes that it should have`)
              hash.update(chunk)
              yield chunk
            }
          },
          createWriteStream(path, { mode: 0o600 }),
          { signal },
        ),
      )
      const sha256 = hash.digest('hex')
      if (expected.size !== undefined && size !== expected.size)
        throw new IntegrityError(`it has ${size} bytes instead of ${expected.size}`)
      if (expected.sha256 !== undefined && sha256 !== expected.sha256)
        throw new IntegrityError(`its SHA-256 is ${sha256} instead of ${expected.sha256}`)
      return { size, sha256 }
    },
    upload: (url, headers, path, size, signal) =>
      exchange('PUT', url, { ...headers, 'content-length': size }, path, signal, async (answer) => {
        await beginning(answer)
      }),
  }
}

/** Of a file, in one reading. */
export const hashFile = async (path: string): Promise<string> => {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

const beginning = async (answer: Readable): Promise<string> => {
  let said = ''
  for await (const chunk of answer.setEncoding('utf8')) {
    said += chunk
    if (said.length > 200) break
  }
  return said.slice(0, 200)
}
