/** Fetches a file behind a presigned address onto the disk. */
import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createBackoff } from '@tutti/contracts'
import { refused, TuttiApiError, unreachable } from './errors.ts'
import type { Http } from './http.ts'

export interface DownloadOptions {
  signal?: AbortSignal | undefined
}

interface Download {
  url: string
  sha256?: string | undefined
  executable?: boolean | undefined
  headers?: Record<string, string> | undefined
}

/**
 * What is executable becomes so for whomever the umask lets read it.
 * Nothing stands under `target` before all of it is there and its hash is right: a reader never sees half a file.
 * Throws TuttiApiError; a wrong hash has the code `CHECKSUM_MISMATCH`.
 */
export const download = async (
  http: Http,
  file: Download,
  target: string,
  { signal }: DownloadOptions = {},
): Promise<void> => {
  const url = new URL(file.url, http.base)
  // The query of a presigned address is a credential: it stays out of errors.
  const request = { method: 'GET', url: url.origin + url.pathname }
  const backoff = createBackoff(http.retry)
  await mkdir(dirname(target), { recursive: true })

  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted()
    const part = `${target}.${randomUUID()}.part`
    try {
      // A presigned address carries its own authority, often at somebody else's server: it gets no token. Where one is sent to our
      // own server, fetch leaves it behind when a redirect leads elsewhere.
      const response = await http
        .fetch(url, { headers: file.headers ?? {}, signal: signal ?? null })
        .catch((error: unknown) => {
          throw unreachable(request, error)
        })
      if (!response.ok) throw refused(request, response.status, await response.text(), undefined)
      const sha256 = await write(response, part, file.executable === true ? 0o777 : 0o666, signal).catch(
        (error: unknown) => {
          throw isDiskError(error) ? error : unreachable(request, error)
        },
      )
      if (file.sha256 !== undefined && sha256 !== file.sha256) throw mismatch(request, file.sha256, sha256)
      return await rename(part, target)
    } catch (error) {
      await rm(part, { force: true })
      signal?.throwIfAborted()
      if (!(error instanceof TuttiApiError) || !error.retryable || attempt >= http.retry.attempts) throw error
      await http.clock.sleep(backoff.next(), signal)
    }
  }
}

const write = async (
  response: Response,
  path: string,
  mode: number,
  signal: AbortSignal | undefined,
): Promise<string> => {
  const hash = createHash('sha256')
  const body = response.body === null ? Readable.from([]) : Readable.from(response.body)
  await pipeline(
    body,
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        hash.update(chunk)
        yield chunk
      }
    },
    createWriteStream(path, { flags: 'wx', mode }),
    signal === undefined ? {} : { signal },
  )
  return hash.digest('hex')
}

/** The disk's errors name the call that failed; those of a connection don't, or name a socket's. */
const isDiskError = (error: unknown): boolean =>
  error instanceof Error && 'syscall' in error && 'path' in error && typeof error.path === 'string'

const mismatch = (request: { method: string; url: string }, wanted: string, got: string): TuttiApiError =>
  new TuttiApiError(`What came from ${request.url} has the SHA-256 ${got}, not ${wanted}`, {
    code: 'CHECKSUM_MISMATCH',
    status: 200,
    // Perhaps it was cut off on the way; if not, the next tries fail alike and this is what the caller sees.
    retryable: true,
    hint: 'List the files again: the file may have been exported anew since.',
    request,
  })
