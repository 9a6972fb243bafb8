/** What the storage knows of the files that a task's params name, told with the task: its worker can check what it fetches. */
import { type FileFacts, isAddress, type TaskPayload, textsIn } from '@tutti/contracts'
import type { LeasedTask } from '@tutti/engine'
import type { RouteDeps } from '../deps.ts'
import { readableKey } from './may-read.ts'

/** Facts are a help, not a promise: a storage that is slow must not hold up tasks. */
const longestMs = 1_000
/** Of a task; of further ones nothing is told. */
const mostFiles = 50

/** The payloads with `params_metadata`, of files (not of folders) that their task may read. Never fails. */
export const withFileFacts = async (
  payloads: readonly TaskPayload[],
  leases: readonly LeasedTask[],
  { engine, files, log }: Pick<RouteDeps, 'engine' | 'files' | 'log'>,
): Promise<TaskPayload[]> => {
  if (!files) return [...payloads]
  const factsOf = async ({ task }: LeasedTask): Promise<Record<string, FileFacts>> => {
    const named = textsIn(task.params, isAddress)
    if (named.length === 0) return {}
    const job = await engine.job(task.jobId, null)
    const facts = await Promise.all(
      named.slice(0, mostFiles).map(async ({ path, text: uri }): Promise<[string, FileFacts][]> => {
        const key = uri.endsWith('/') ? null : await readableKey(uri, { job, task: { files: [uri] } }, files, engine)
        const info = key === null ? null : await files.objects.head(key)
        if (info === null) return []
        const { size, etag, sha256 } = info
        return [[path, { uri, size, etag, ...(sha256 === null ? {} : { sha256 }) }]]
      }),
    )
    return Object.fromEntries(facts.flat())
  }
  const told = (lease: LeasedTask) =>
    inTime(factsOf(lease)).catch((error: unknown) => {
      log.debug({ err: error, task_id: lease.task.id }, 'nothing is told of the task’s files')
      return {}
    })
  return Promise.all(
    payloads.map(async (payload, at) => {
      const lease = leases[at]
      const facts = lease ? await told(lease) : {}
      return Object.keys(facts).length > 0 ? { ...payload, params_metadata: facts } : payload
    }),
  )
}

const inTime = async <T>(work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${longestMs} ms`)), longestMs)
  })
  return await Promise.race([work, late]).finally(() => clearTimeout(timer))
}
