/** Files of jobs that have ended, or that nobody knows any more. */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isAbsent } from '../local/folders.ts'
import type { ObjectStore } from '../port.ts'
import { partials } from './local-files.ts'
import { jobPrefix } from './task-files.ts'

export interface SweepRequest {
  /** TASK_FILES_DIR. */
  dir: string
  objects: Pick<ObjectStore, 'list' | 'deletePrefix'>
  /** When each of the jobs ended, null for one that goes on; undefined for an unknown one. In the order asked. */
  endedAt: (jobIds: string[]) => Promise<(number | null | undefined)[]>
  now: number
  /** S3_AUTO_CLEANUP: whether uploaded files go too. */
  remote: boolean
  /** How long uploaded files outlive their job, so that whoever is told of its end can fetch its results. */
  remoteGraceMs: number
}

const oneDay = 24 * 60 * 60 * 1000

/**
 * Removes local folders of jobs that are over, and with `remote` their uploaded files when their grace is over. A job that
 * goes on keeps everything, whatever became of its tasks: a retry needs it. What has no job, and was not touched for a day,
 * goes as well. Answers the ids of the jobs something of whom was removed.
 */
export async function sweepTaskFiles(request: SweepRequest): Promise<string[]> {
  const removed = new Set(await sweepLocal(request))
  if (request.remote) for (const id of await sweepRemote(request)) removed.add(id)
  return [...removed]
}

async function sweepLocal({ dir, endedAt, now }: SweepRequest): Promise<string[]> {
  const names = await readdir(dir).catch((error: unknown) => {
    if (isAbsent(error)) return []
    throw error
  })
  for (const name of await readdir(join(dir, partials)).catch(() => [])) {
    const path = join(dir, partials, name)
    if (await isOld(path, now)) await rm(path, { force: true })
  }
  const ids = names.filter(isJobId)
  const ends = await endedAt(ids)
  const removed: string[] = []
  for (const [at, id] of ids.entries()) {
    const end = ends[at]
    if (end === null || (end === undefined && !(await isOld(join(dir, id), now)))) continue
    await rm(join(dir, id), { recursive: true, force: true })
    removed.push(id)
  }
  return removed
}

async function sweepRemote({ objects, endedAt, now, remoteGraceMs }: SweepRequest): Promise<string[]> {
  const removed: string[] = []
  let cursor: string | null = null
  for (;;) {
    const { objects: found } = await objects.list('jobs/', cursor, 1)
    const [first] = found
    if (!first) return removed
    const [, id = ''] = first.key.split('/')
    // Behind everything of this job: `0` is the character after `/`.
    cursor = `jobs/${id}0`
    if (!isJobId(id)) continue
    const [end] = await endedAt([id])
    const over =
      end === undefined ? now - first.modifiedAt.getTime() > oneDay : end !== null && now - end >= remoteGraceMs
    if (!over) continue
    await objects.deletePrefix(jobPrefix(id))
    removed.push(id)
  }
}

function isJobId(name: string): boolean {
  try {
    jobPrefix(name)
    return true
  } catch {
    return false
  }
}

async function isOld(path: string, now: number): Promise<boolean> {
  const found = await stat(path).catch(() => null)
  return found !== null && now - found.mtimeMs > oneDay
}
