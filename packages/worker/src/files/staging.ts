/**
 * Files of tasks: what the params name as `s3://…` lies on this machine before the work begins, and what the result names in the
 * task's folder lies in object storage before the result is sent.
 */
import {
  type Backoff,
  type FileFacts,
  isAddress,
  type Json,
  replaceTexts,
  type TaskFolderPage,
  type TaskPayload,
  textsIn,
} from '@tutti/contracts'
import type { Clock } from '../clock.ts'
import { IntegrityError, InvalidInputError, PermanentError } from '../errors.ts'
import { errorMessage } from '../log.ts'
import { createSkillLimits } from '../skill-limits.ts'
import { type Wire, WireError } from '../wire.ts'
import { hashFile, type Transfer, TransferError } from './transfer.ts'
import { createWorkspace, type Workspace } from './workspace.ts'

/** The files of one run. */
export interface Stage {
  /** The params with paths in place of addresses; that of a folder ends with a slash, as its address does. */
  bring(params: Json, signal: AbortSignal): Promise<Json>
  /** The result's data with addresses in place of paths, and what is known of those files. */
  send(data: unknown, signal: AbortSignal): Promise<{ data: unknown; metadata: Record<string, FileFacts> }>
  /** The task's own folder, for what it makes. */
  folder(): Promise<string>
  clear(): Promise<void>
}

export interface Staging {
  of(payload: TaskPayload): Stage
}

export interface StagingOptions {
  dir: string
  wire: Pick<Wire, 'fileDownload' | 'folder' | 'fileUpload'>
  transfer: Transfer
  clock: Clock
  backoff: () => Backoff
}

/** Files on their way at a time, over all tasks. */
const mostAtOnce = 50
const tries = 3

export const createStaging = ({ dir, wire, transfer, clock, backoff }: StagingOptions): Staging => {
  const room = createSkillLimits({ file: mostAtOnce })

  /** `what` begins the message of its failure. */
  const attempt = async <T>(what: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
    const leave = await room.enter('file', signal)
    const wait = backoff()
    try {
      for (let tried = 1; ; tried += 1) {
        try {
          return await work()
        } catch (error) {
          signal.throwIfAborted()
          const final = verdictOn(error, what)
          if (final !== undefined) throw final
          if (tried === tries) throw new Error(`${what}: ${errorMessage(error)}`, { cause: error })
          await clock.sleep(wait.next(error instanceof WireError ? error.retryAfterMs : undefined), signal)
          signal.throwIfAborted()
        }
      }
    } finally {
      leave()
    }
  }

  const fetchFile = (payload: TaskPayload, uri: string, path: string, expected: FileFacts, signal: AbortSignal) =>
    attempt(uri, signal, async () => {
      const { url, size, sha256 } = await wire.fileDownload(payload, uri, signal)
      // What the params promise, and what the storage was told, must both hold.
      if (expected.size !== undefined && expected.size !== size)
        throw new IntegrityError(`it has ${size} bytes instead of ${expected.size}`)
      if (expected.sha256 !== undefined && sha256 !== null && expected.sha256 !== sha256)
        throw new IntegrityError(`its SHA-256 is ${sha256} instead of ${expected.sha256}`)
      const hash = expected.sha256 ?? sha256
      await transfer.download(url, path, { size, ...(hash === null ? {} : { sha256: hash }) }, signal)
    })

  const fetchFolder = async (
    payload: TaskPayload,
    uri: string,
    place: string,
    space: Workspace,
    signal: AbortSignal,
  ) => {
    let cursor: string | null = null
    let found = 0
    do {
      const from: string | null = cursor
      const page: TaskFolderPage = await attempt(uri, signal, () => wire.folder(payload, uri, from, signal))
      found += page.items.length
      await together(page.items, signal, async (item, ended) =>
        fetchFile(payload, item.uri, await space.place(place, item.name), { size: item.size }, ended),
      )
      cursor = page.next_cursor
    } while (cursor !== null)
    if (found === 0) throw new InvalidInputError(`${uri}: there is nothing in it`)
  }

  const sendFile = (payload: TaskPayload, filename: string, path: string, size: number, signal: AbortSignal) =>
    attempt(filename, signal, async () => {
      const sha256 = await hashFile(path)
      const { url, headers, uri } = await wire.fileUpload(payload, { filename, size, sha256 }, signal)
      await transfer.upload(url, headers, path, size, signal)
      return { uri, size, sha256 }
    })

  return {
    of: (payload) => {
      const space = createWorkspace(dir, payload.task_id)
      return {
        folder: async () => await space.root(),
        clear: space.remove,
        bring: async (params, signal) => {
          const named = textsIn(params, isAddress)
          if (named.length === 0) return params
          const facts = payload.params_metadata ?? {}
          const paths = new Map<string, string>()
          await together([...new Set(named.map(({ text }) => text))], signal, async (uri, ended, at) => {
            const name = lastOf(uri)
            const path = await space.place(String(at), name)
            paths.set(uri, uri.endsWith('/') ? `${path}/` : path)
            if (uri.endsWith('/')) return await fetchFolder(payload, uri, `${at}/${name}`, space, ended)
            const expected = named.flatMap((each) => (each.text === uri ? (own(facts, each.path) ?? []) : []))
            await fetchFile(payload, uri, path, Object.assign({}, ...expected), ended)
          })
          return replaceTexts(params, (text) => paths.get(text))
        },
        send: async (data, signal) => {
          const nothing = { data, metadata: {} }
          if (!space.isMade() || data === undefined) return nothing
          const root = await space.root()
          const written = textOf(data)
          if (written === undefined || !written.includes(JSON.stringify(root).slice(1, -1))) return nothing
          const plain: Json = JSON.parse(written)
          const named = textsIn(plain, (text) => text.startsWith(`${root}/`))
          const sent = new Map<string, FileFacts>()
          await together([...new Set(named.map(({ text }) => text))], signal, async (path, ended) => {
            const found = await space.find(path.replace(/\/+$/, ''))
            if (found === null) return
            if (found.kind === 'file') {
              sent.set(path, await sendFile(payload, found.name, found.path, found.size, ended))
              return
            }
            const folder = found.name
            let below = ''
            await together(found.files, ended, async (file, over) => {
              const { uri } = await sendFile(payload, `${folder}/${file.name}`, file.path, file.size, over)
              below = uri.slice(0, uri.length - file.name.length)
            })
            if (below === '')
              throw new PermanentError(`The folder ${folder} has no file in it: there is nothing to send`)
            sent.set(path, { uri: below, size: found.files.reduce((sum, { size }) => sum + size, 0) })
          })
          const metadata = named.flatMap(({ path, text }) => {
            const facts = sent.get(text)
            return facts ? [[path, facts] as const] : []
          })
          return { data: replaceTexts(plain, (text) => sent.get(text)?.uri), metadata: Object.fromEntries(metadata) }
        },
      }
    },
  }
}

/** All of them; the first failure ends the others, and is told when they have ended: nobody writes into a folder that is gone. */
const together = async <T>(
  items: readonly T[],
  signal: AbortSignal,
  work: (item: T, ended: AbortSignal, at: number) => Promise<unknown>,
): Promise<void> => {
  const failed = new AbortController()
  const ended = AbortSignal.any([signal, failed.signal])
  let first: { error: unknown } | undefined
  await Promise.all(
    items.map((item, at) =>
      work(item, ended, at).catch((error: unknown) => {
        first ??= { error }
        failed.abort()
      }),
    ),
  )
  if (first !== undefined) throw first.error
}

/** What another try would not change; undefined: it may. */
const verdictOn = (error: unknown, what: string): Error | undefined => {
  const message = `${what}: ${errorMessage(error)}`
  if (error instanceof IntegrityError) return new IntegrityError(message)
  if (error instanceof PermanentError || error instanceof InvalidInputError) return error
  if (error instanceof WireError) {
    if (error.code === 'FILES_NOT_ENABLED' || error.code === 'PAYLOAD_TOO_LARGE') return new PermanentError(message)
    if (error.code === 'FILE_DENIED' || error.code === 'FILE_NOT_FOUND' || error.status === 400)
      return new InvalidInputError(message)
    // Somebody else has the task: what is answered now counts for nothing.
    if (error.code === 'LEASE_LOST') return new Error(message)
  }
  if (error instanceof TransferError && error.status === 413) return new PermanentError(message)
  return undefined
}

/** Undefined for what isn’t JSON, which is told where the answer is made. */
const textOf = (data: unknown): string | undefined => {
  try {
    return JSON.stringify(data)
  } catch {
    return undefined
  }
}

const lastOf = (uri: string): string => uri.replace(/\/+$/, '').split('/').at(-1) || 'folder'
const own = <T>(record: Record<string, T>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined
