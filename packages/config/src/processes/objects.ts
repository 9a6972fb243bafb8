/**
 * Where the workbench keeps files: what people upload, what agents leave. Backend and manager read it alike, because one
 * stores what the other hands out.
 */
import type { Fault } from '../fault.ts'
import { flag, folder, integer, keyFolder, optionalHttpUrl, seconds, text } from '../variables/schemas.ts'
import type { ConfigOf, VariableTable } from '../variables/variable.ts'
import { payloadVariables } from './payloads.ts'

export const objectVariables = {
  objectsDir: {
    name: 'OBJECTS_DIR',
    default: '.tutti/objects',
    description:
      'Folder of stored files, where S3_ENDPOINT is empty. Backend and executor manager must see the same one.',
    schema: folder,
  },
  s3Endpoint: {
    name: 'S3_ENDPOINT',
    default: '',
    description:
      'The S3-compatible storage of the workbench’s files. Empty: they lie in OBJECTS_DIR. With it S3_ACCESS_KEY, S3_SECRET_KEY and S3_BUCKET are needed.',
    schema: optionalHttpUrl,
  },
  s3AccessKey: payloadVariables.s3AccessKey,
  s3SecretKey: payloadVariables.s3SecretKey,
  s3Bucket: {
    name: 'S3_BUCKET',
    default: '',
    description: 'The bucket of the workbench’s files. It is made at the start if it is missing and the keys allow it.',
    schema: text,
  },
  s3KeyPrefix: {
    name: 'S3_KEY_PREFIX',
    default: '',
    description: 'Folder in that bucket below which all keys lie, so that several installations may share one.',
    schema: keyFolder,
  },
  s3Region: payloadVariables.s3Region,
  s3ForcePathStyle: {
    name: 'S3_FORCE_PATH_STYLE',
    default: 'true',
    description: 'Whether the bucket of S3_ENDPOINT is named in the path of addresses; off, in their host name.',
    schema: flag,
  },
  s3MaxConcurrency: payloadVariables.s3MaxConcurrency,
  s3ReadTimeoutSeconds: {
    name: 'S3_READ_TIMEOUT_SECONDS',
    default: '60',
    description: 'For how long S3_ENDPOINT may be silent in the middle of a request.',
    schema: seconds,
  },
  s3MaxAttempts: {
    name: 'S3_MAX_ATTEMPTS',
    default: '3',
    description:
      'How often a request to S3_ENDPOINT that failed for a passing reason is tried, the first time included.',
    schema: integer(1, 20),
  },
} satisfies VariableTable

/** Only the backend hands out addresses. */
export const presignVariables = {
  s3PublicEndpoint: {
    name: 'S3_PUBLIC_ENDPOINT',
    default: '',
    description:
      'The address under which browsers reach S3_ENDPOINT; presigned links are made for it. Empty: S3_ENDPOINT itself.',
    schema: optionalHttpUrl,
  },
  s3PresignExpires: {
    name: 'S3_PRESIGN_EXPIRES',
    default: '300',
    description: 'How many seconds a presigned link works; at most 7 days, as with S3.',
    schema: integer(1, 604_800),
  },
} satisfies VariableTable

/** What `createS3Objects` of @tutti/objects takes. */
export interface ObjectStorage {
  endpoint: string
  publicEndpoint?: string
  accessKey: string
  secretKey: string
  bucket: string
  keyPrefix: string
  region: string
  forcePathStyle: boolean
  maxConcurrency: number
  requestTimeoutMs: number
  attempts: number
}

type Known = Partial<ConfigOf<typeof objectVariables & typeof presignVariables>>

/** Adds what is missing to `faults`. @returns null: the files lie in the folder OBJECTS_DIR, or there is a fault */
export function objectStorageOf(known: Known, faults: Fault[]): ObjectStorage | null {
  const { s3Endpoint, s3PublicEndpoint = '', s3AccessKey, s3SecretKey, s3Bucket } = known
  if (s3Endpoint === undefined) return null
  if (s3Endpoint === '') {
    // The keys alone may be those of S3_ENDPOINT_URL.
    const meant = s3Bucket ? 'S3_BUCKET' : s3PublicEndpoint ? 'S3_PUBLIC_ENDPOINT' : null
    if (meant)
      faults.push({
        ...{ source: 'environment', variable: 'S3_ENDPOINT' },
        what: `${meant} is set, and S3_ENDPOINT is missing, so files would lie in a folder of this host`,
        remedy: `Set S3_ENDPOINT, such as https://s3.eu-central-1.amazonaws.com, or leave ${meant} empty.`,
      })
    return null
  }
  const parts = { S3_ACCESS_KEY: s3AccessKey, S3_SECRET_KEY: s3SecretKey, S3_BUCKET: s3Bucket }
  const missing = Object.entries(parts).flatMap(([name, value]) => (value === '' ? name : []))
  for (const variable of missing)
    faults.push({
      ...{ source: 'environment', variable },
      what: `S3_ENDPOINT is set, and ${variable} is missing`,
      remedy: 'Set it, or leave S3_ENDPOINT empty to keep files in OBJECTS_DIR.',
    })
  return missing.length === 0 && isComplete(known) ? settingsOf(known) : null
}

type Complete = Required<Omit<Known, 's3PublicEndpoint' | 's3PresignExpires' | 'objectsDir'>> & Known

/** A variable that could not be read is told already. */
const isComplete = (known: Known): known is Complete =>
  Object.keys(objectVariables).every((key) => known[key as keyof Known] !== undefined)

const settingsOf = (known: Complete): ObjectStorage => ({
  endpoint: known.s3Endpoint,
  ...(known.s3PublicEndpoint ? { publicEndpoint: known.s3PublicEndpoint } : {}),
  accessKey: known.s3AccessKey,
  secretKey: known.s3SecretKey,
  bucket: known.s3Bucket,
  keyPrefix: known.s3KeyPrefix,
  region: known.s3Region,
  forcePathStyle: known.s3ForcePathStyle,
  maxConcurrency: known.s3MaxConcurrency,
  requestTimeoutMs: known.s3ReadTimeoutSeconds * 1000,
  attempts: known.s3MaxAttempts,
})
