import type { Fault } from '../fault.ts'
import type { TomlSource } from './read-toml.ts'
import { readSections } from './sections.ts'

/** One section of workers.toml. The token itself is not kept. */
export interface WorkerEntry {
  /** Exactly the id that the worker registers with. */
  id: string
  /** SHA-256, hex. */
  tokenHash: string
  description: string
}

export type WorkersResult = { workers: WorkerEntry[]; faults?: undefined } | { faults: Fault[]; workers?: undefined }

/** Reads workers.toml: all workers, or all faults. An unknown field is a fault: it is a setting that does nothing. */
export function readWorkers(source: TomlSource): WorkersResult {
  const { entries, faults } = readSections(source, 'worker', ({ id, fields, fault }, tokenHash) => {
    for (const name of Object.keys(fields)) {
      if (name === 'token' || name === 'description') continue
      fault(name, `[${id}] has an unknown field “${name}”`, 'Only token and description are known; remove it.')
    }
    const description = fields.description ?? ''
    if (typeof description === 'string') return { id, tokenHash, description }
    fault('description', `the description of [${id}] is not a string`, 'Put it into quotes.')
    return { id, tokenHash, description: '' }
  })
  return faults ? { faults } : { workers: entries }
}
