/**
 * What several variables say together: which store, which archive, which object storage, which certificates. Each takes the variables
 * that could be read, so that its faults come together with those of the others.
 */
import type { Fault } from '../../fault.ts'
import { sqlitePath } from '../../variables/schemas.ts'
import type { OrchestratorConfig } from '../orchestrator.ts'
import { payloadStorageOf, type S3Settings } from '../payloads.ts'
import { type StorageChoice, storageOf } from '../store-choice.ts'
import { readTls, type TlsFiles } from './tls.ts'

export type HistoryChoice =
  | { kind: 'sqlite' /** Absolute. */; path: string }
  | { kind: 'postgres'; connectionString: string }

export interface OrchestratorChoices {
  /** `null` only where the caller brings a store of its own. */
  storage: StorageChoice | null
  /** `null`: no archive. */
  history: HistoryChoice | null
  /** `null`: no object storage. */
  s3: S3Settings | null
  /** `null`: plain HTTP. */
  tls: TlsFiles | null
}

type Known = Partial<OrchestratorConfig>

/**
 * @param ownStore whether the process has to open a store itself
 * @param keysAreOthers whether keys of S3 may be there for the workbench alone
 */
export function orchestratorChoices(
  known: Known,
  { ownStore, keysAreOthers }: { ownStore: boolean; keysAreOthers: boolean },
): { choices: OrchestratorChoices; faults: Fault[] } {
  const faults: Fault[] = []
  const choices = {
    storage: ownStore ? storageOf(known, faults) : null,
    history: historyOf(known),
    s3: payloadStorageOf(known, faults, keysAreOthers),
    tls: readTls(known, faults),
  }
  return { choices, faults }
}

function historyOf({ historyDatabaseUri: uri = '' }: Known): HistoryChoice | null {
  if (uri === '') return null
  const path = uri.startsWith('sqlite:') ? sqlitePath(uri) : null
  return path === null ? { kind: 'postgres', connectionString: uri } : { kind: 'sqlite', path }
}
