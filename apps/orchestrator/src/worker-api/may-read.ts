/** Which files a task may read. An address in params may come from a client, and must not open what is another client's. */
import type { Engine, Job, OpenTask } from '@tutti/engine'
import { type Address, jobPrefix, ObjectStoreError, parseAddress } from '@tutti/objects'
import { z } from 'zod'
import type { JobFiles } from '../deps.ts'

export interface Reader {
  job: Job
  task: Pick<OpenTask, 'files'>
}

/**
 * The key that the address stands for, of a folder with its slash; null when it is denied: it is no address of our bucket, or neither
 * of the task's job or its parent, nor named in the task's params as a file (or below a folder) that the task's client may read.
 */
export const readableKey = async (
  uri: string,
  { job, task }: Reader,
  { bucket, sharedPrefixes = [] }: Pick<JobFiles, 'bucket' | 'sharedPrefixes'>,
  engine: Pick<Engine, 'job'>,
): Promise<string | null> => {
  const key = keyIn(uri, bucket)
  if (key === null) return null
  const isBelow = (prefixes: string[]) => prefixes.some((prefix) => key.startsWith(prefix))
  if (isBelow([job.id, ...(job.parentId === null ? [] : [job.parentId])].map(jobPrefix))) return key
  const named = (task.files ?? []).some((each) => {
    const granted = keyIn(each, bucket)
    return granted !== null && (granted === key || (granted.endsWith('/') && key.startsWith(granted)))
  })
  return named && (isBelow(sharedPrefixes) || (await isOwn(key, job.client, engine))) ? key : null
}

/** Of a job of this client's. */
const isOwn = async (key: string, client: string, engine: Pick<Engine, 'job'>): Promise<boolean> => {
  const [root, id, rest] = key.split('/')
  if (root !== 'jobs' || rest === undefined || !z.uuid().safeParse(id).success) return false
  return engine.job(id ?? '', client).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'JOB_NOT_FOUND') return false
      throw error
    },
  )
}

const keyIn = (uri: string, bucket: string): string | null => {
  const address = parsed(uri)
  if (!address || address.bucket !== bucket || address.key === '') return null
  return address.directory ? `${address.key}/` : address.key
}

const parsed = (uri: string): Address | null => {
  try {
    return parseAddress(uri)
  } catch (error) {
    if (error instanceof ObjectStoreError) return null
    throw error
  }
}
