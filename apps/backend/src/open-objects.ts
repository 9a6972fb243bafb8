import { type BackendConfig, ConfigError, type LoadedBackend } from '@tutti/config'
import {
  createLocalObjects,
  createS3Objects,
  ObjectStoreError,
  type S3Objects,
  type S3ObjectsOptions,
} from '@tutti/objects'
import type { StartWait } from '@tutti/telemetry'
import { objectsPath } from './app.ts'
import type { BackendObjects } from './deps.ts'

type Loaded = Pick<LoadedBackend, 'files'> & {
  config: Pick<BackendConfig, 'objectsDir' | 'backendPublicUrl' | 'secretKey'>
}

/** Where the workbench's files lie: in the bucket of S3_ENDPOINT, else in the folder OBJECTS_DIR. @throws ConfigError */
export const openObjects = async (
  { config, files }: Loaded,
  stops: (() => Promise<void>)[],
  wait: StartWait,
): Promise<BackendObjects> => {
  if (files) return openBucket(files, 'S3_ENDPOINT', stops, wait)
  return createLocalObjects({
    root: config.objectsDir,
    publicUrl: config.backendPublicUrl + objectsPath,
    secret: config.secretKey,
  })
}

/**
 * A bucket that is known to be there: a wrong key is told at the start, not by the first upload.
 * @param variable which one names the storage. @throws ConfigError
 */
export const openBucket = async (
  options: S3ObjectsOptions,
  variable: string,
  stops: (() => Promise<void>)[],
  wait: StartWait,
): Promise<S3Objects> => {
  const objects = createS3Objects(options)
  stops.push(async () => objects.close())
  await wait.until('the object store', objects.ensureBucket).catch((error: unknown) => {
    if (!(error instanceof ObjectStoreError)) throw error
    const remedy = 'Correct the S3_* variables.'
    throw new ConfigError([{ source: 'environment', variable, what: error.message, remedy }])
  })
  return objects
}
