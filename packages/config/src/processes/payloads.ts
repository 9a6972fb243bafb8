/**
 * The object storage of large payloads. Read by every process that has the Store open: what one has offloaded, another one
 * must be able to bring back.
 */
import type { Fault } from '../fault.ts'
import { integer, optionalHttpUrl, text } from '../variables/schemas.ts'
import type { ConfigOf, VariableTable } from '../variables/variable.ts'

export const payloadVariables = {
  s3EndpointUrl: {
    name: 'S3_ENDPOINT_URL',
    default: '',
    description: 'The S3-compatible storage of large payloads and of jobs’ files. Empty: none.',
    schema: optionalHttpUrl,
  },
  s3AccessKey: {
    name: 'S3_ACCESS_KEY',
    default: '',
    description: 'The access key id, for S3_ENDPOINT_URL and S3_ENDPOINT alike.',
    schema: text,
    secret: true,
  },
  s3SecretKey: {
    name: 'S3_SECRET_KEY',
    default: '',
    description: 'The secret access key that belongs to it.',
    schema: text,
    secret: true,
  },
  s3DefaultBucket: {
    name: 'S3_DEFAULT_BUCKET',
    default: 'avtomatika-payloads',
    description: 'The bucket of payloads and files.',
    schema: text,
  },
  s3Region: {
    name: 'S3_REGION',
    default: 'us-east-1',
    description: 'The region; for Cloudflare R2 auto.',
    schema: text,
  },
  s3MaxConcurrency: {
    name: 'S3_MAX_CONCURRENCY',
    default: '100',
    description: 'Connections to the storage at a time, over all that an instance does.',
    schema: integer(1, 10_000),
  },
  payloadOffloadBytes: {
    name: 'PAYLOAD_OFFLOAD_BYTES',
    default: '262144',
    description: 'A payload larger than this goes to S3, and the job holds its address; 0 keeps all in the store.',
    schema: integer(0),
  },
} satisfies VariableTable

export interface S3Settings {
  endpoint: string
  accessKey: string
  secretKey: string
  bucket: string
  region: string
  maxConcurrency: number
}

type Known = Partial<ConfigOf<typeof payloadVariables>>

/**
 * All three or none: half of them means that somebody believes payloads are kept there.
 * @param keysAreOthers whether the keys may be those of the workbench’s files alone (S3_ENDPOINT), which lie elsewhere
 */
export function payloadStorageOf(known: Known, faults: Fault[], keysAreOthers = false): S3Settings | null {
  const { s3EndpointUrl, s3AccessKey, s3SecretKey, s3DefaultBucket, s3Region, s3MaxConcurrency } = known
  if (s3EndpointUrl === undefined || s3AccessKey === undefined || s3SecretKey === undefined) return null
  const parts = Object.entries({
    S3_ENDPOINT_URL: s3EndpointUrl,
    S3_ACCESS_KEY: s3AccessKey,
    S3_SECRET_KEY: s3SecretKey,
  })
  const set = parts.filter(([, value]) => value !== '').map(([name]) => name)
  const missing = parts.filter(([, value]) => value === '').map(([name]) => name)
  if (set.length === 0 || (keysAreOthers && s3EndpointUrl === '')) return null
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
