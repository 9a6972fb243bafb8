/**
 * What several variables say together: which store, which archive, which object storage, which certificates. Each takes the variables
 * that could be read, so that its faults come together with those of the others.
 */
import type { Fault } from '../../fault.ts'
import { sqlitePath } from '../../variables/schemas.ts'
import type { OrchestratorConfig } from '../orchestrator.ts'
import { type StorageChoice, storageOf } from '../store-choice.ts'
import { readTls, type TlsFiles } from './tls.ts'

export type HistoryChoice =
  | { kind: 'sqlite' /** Absolute. */; path: string }
  | { kind: 'postgres'; connectionString: string }

export interface S3Settings {
  endpoint: string
  accessKey: string
  secretKey: string
  bucket: string
  region: string
  maxConcurrency: number
}

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

/** @param ownStore whether the process has to open a store itself */
export function orchestratorChoices(
  known: Known,
  ownStore: boolean,
): { choices: OrchestratorChoices; faults: Fault[] } {
  const faults: Fault[] = []
  const choices = {
    storage: ownStore ? storageOf(known, faults) : null,
    history: historyOf(known),
    s3: s3Of(known, faults),
    tls: readTls(known, faults),
  }
  return { choices, faults }
}

function historyOf({ historyDatabaseUri: uri = '' }: Known): HistoryChoice | null {
  if (uri === '') return null
  const path = uri.startsWith('sqlite:') ? sqlitePath(uri) : null
  return path === null ? { kind: 'postgres', connectionString: uri } : { kind: 'sqlite', path }
}

/** All three or none: half of them means that somebody believes payloads are kept there. */
function s3Of(known: Known, faults: Fault[]): S3Settings | null {
  const { s3EndpointUrl, s3AccessKey, s3SecretKey, s3DefaultBucket, s3Region, s3MaxConcurrency } = known
  if (s3EndpointUrl === undefined || s3AccessKey === undefined || s3SecretKey === undefined) return null
  const parts = Object.entries({
    S3_ENDPOINT_URL: s3EndpointUrl,
    S3_ACCESS_KEY: s3AccessKey,
    S3_SECRET_KEY: s3SecretKey,
  })
  const set = parts.filter(([, value]) => value !== '').map(([name]) => name)
  const missing = parts.filter(([, value]) => value === '').map(([name]) => name)
  if (set.length === 0) return null
  if (missing.length > 0) {
    const what = `${set.join(' and ')} ${set.length > 1 ? 'are' : 'is'} set, and ${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} missing`
    faults.push(fault(missing[0] ?? '', what, 'Set all three to use S3, or none.'))
    return null
  }
  if (s3DefaultBucket === undefined || s3Region === undefined || s3MaxConcurrency === undefined) return null
  return {
    endpoint: s3EndpointUrl,
    accessKey: s3AccessKey,
    secretKey: s3SecretKey,
    bucket: s3DefaultBucket,
    region: s3Region,
    maxConcurrency: s3MaxConcurrency,
  }
}

function fault(variable: string, what: string, remedy: string): Fault {
  return { source: 'environment', variable, what, remedy }
}
