/**
 * Whose a payload is: `payloads/jobs/<id>/<created at>/<sha256>`, `payloads/records/<kind>/<id>/<sha256>`. The instant tells
 * a job from a later one of the same id: what is removed with the one must never be the other's. What a job is sent by
 * another one lies in its `inbox`, because the sender does not know that instant.
 */
import type { Job, StoredRecord } from '@tutti/engine'

export const root = 'payloads/'
export const inbox = 'inbox'

export const ofJob = (id: string): string => `${root}jobs/${segment(id)}/`

export const ofLife = ({ id, createdAt }: Pick<Job, 'id' | 'createdAt'>): string => `${ofJob(id)}${createdAt}/`

export const ofInbox = (id: string): string => `${ofJob(id)}${inbox}/`

export const ofRecord = ({ kind, id }: Pick<StoredRecord, 'kind' | 'id'>): string =>
  `${root}records/${segment(kind)}/${segment(id)}/`

/** Whether a key can hold this name; one of a few hundred letters of another script can be too long. */
export const canOwn = (...names: string[]): boolean =>
  names.every((name) => name.isWellFormed()) && names.reduce((sum, name) => sum + segment(name).length, 0) <= 800

export type Owned = { job: string; life: string } | { kind: string; id: string }

export const ownerOf = (key: string): Owned | null => {
  const [, type, first, second] = key.split('/')
  if (first === undefined || second === undefined) return null
  if (type === 'jobs') return { job: unsegment(first), life: second }
  return type === 'records' ? { kind: unsegment(first), id: unsegment(second) } : null
}

/** No name can be `.` or `..`, or hold a slash. */
const segment = (name: string): string => `_${encodeURIComponent(name.toWellFormed())}`
const unsegment = (segmentText: string): string => decodeURIComponent(segmentText.slice(1))
