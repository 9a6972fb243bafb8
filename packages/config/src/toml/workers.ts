import type { Fault } from '../fault.ts'
import type { TomlSource } from './read-toml.ts'
import { checkId, type PlaceOf, readSections, unknownField } from './sections.ts'
import { tokenReader } from './token-field.ts'

/** One section of workers.toml. */
export interface WorkerEntry {
  /** Exactly the id that the worker registers with, or a pattern of ids: `*` stands for any text, `?` for one character. `pattern:` may stand in front. */
  id: string
  /** SHA-256, hex. */
  tokenHash: string
  /** The token itself, in memory only, and only where signatures are checked with it; else null. */
  secret: string | null
  description: string
}

export type WorkersResult =
  | { workers: WorkerEntry[]; place: PlaceOf; faults?: undefined }
  | { faults: Fault[]; workers?: undefined; place?: undefined }

/** The fields of a section, for the reference. */
export const workerFields = {
  token:
    'Text, needed unless token_sha256 is there. The worker’s own token; it never falls back to GLOBAL_WORKER_TOKEN.',
  token_sha256: 'Text. Instead of the token its SHA-256, 64 hexadecimal digits, so that the file holds no secret.',
  description: 'Text. For people.',
} as const

export interface WorkersOptions {
  /** Whether signatures are checked, for which the tokens themselves are needed. */
  keepSecrets?: boolean
}

/** Reads workers.toml: all workers, or all faults. An unknown field is a fault: it is a setting that does nothing. */
export function readWorkers(source: TomlSource, { keepSecrets = false }: WorkersOptions = {}): WorkersResult {
  const readToken = tokenReader('worker')
  const { entries, place, faults } = readSections(source, 'worker', (section): WorkerEntry => {
    const { id, fields, fault } = section
    checkId(section, 'worker')
    const token = readToken(section)
    for (const name of Object.keys(fields))
      if (!Object.hasOwn(workerFields, name)) unknownField(section, name, Object.keys(workerFields))
    const { description = '' } = fields
    if (typeof description !== 'string')
      fault('description', `the description of [${id}] is not a string`, 'Put it into quotes.')
    return {
      id,
      tokenHash: token?.hash ?? '',
      secret: keepSecrets ? (token?.secret ?? null) : null,
      description: String(description),
    }
  })
  return faults ? { faults } : { workers: entries, place }
}
