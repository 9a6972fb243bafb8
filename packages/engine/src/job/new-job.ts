import type { JsonObject } from '@tutti/contracts'
import type { Job } from './job.ts'

/** What must be said of a new job, and what may be. */
export interface NewJob extends Partial<Job> {
  id: string
  blueprint: string
  version: number
  start: string
  client: string
  input: JsonObject
}

/** A job before anything happened to it; `rev` 0 means that it is not stored yet. */
export const newJob = ({ start, ...spec }: NewJob, now: number): Job => ({
  priority: 0,
  tags: [],
  metadata: {},
  parentId: null,
  origin: { kind: 'api' },
  depth: 0,
  clientFacts: { plan: null, params: {} },
  fingerprint: null,
  webhook: null,
  trace: null,
  dispatchTimeoutMs: null,
  resultTimeoutMs: null,
  deadlineAt: null,
  startAt: null,
  paused: false,
  status: 'pending',
  state: start,
  data: {},
  results: [],
  branches: [],
  last: null,
  waiting: null,
  signals: [],
  signalIds: [],
  workers: {},
  dispatchedIn: null,
  undoBy: null,
  undo: [],
  ending: null,
  output: null,
  error: null,
  attempt: 0,
  transitions: 0,
  progress: null,
  progressMessage: null,
  createdAt: now,
  updatedAt: now,
  finishedAt: null,
  rev: 0,
  seq: 0,
  wakeAt: null,
  handling: false,
  ...spec,
})
