/** A worker as the engine knows it: what it told, what the operator ordered, what it earned. */
import type { WorkerRecord } from '../store/port.ts'
import type { Capabilities, Condition } from './capabilities.ts'

export interface Worker {
  id: string
  record: WorkerRecord
  /** Workers that can do the same share the one object, so that what is found out of one holds for all. */
  capabilities: Capabilities
  condition: Condition
  /** By the operator. */
  drained: boolean
  reputation: number
}

/** It gets no further tasks. */
export const isLeaving = (worker: Worker): boolean => worker.drained || worker.condition.leaving
