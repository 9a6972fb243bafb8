import { randomBytes } from 'node:crypto'
import { ConfigError, type ManagerConfig, type ObjectStorage } from '@tutti/config'
import { createLocalObjects, createS3Objects, type ObjectStore, ObjectStoreError } from '@tutti/objects'
import type { StartWait } from '@tutti/telemetry'

/**
 * Where the workbench's files lie, as the backend has it: in a bucket, else in a folder that both see.
 * @throws ConfigError when the bucket can't be used: told at the start, not by the export of the first turn
 */
export const openObjects = async (
  config: Pick<ManagerConfig, 'objectsDir' | 'backendUrl'>,
  bucket: ObjectStorage | null,
  wait: StartWait,
): Promise<{ store: ObjectStore; close: () => void }> => {
  if (!bucket) {
    // The manager hands out no addresses: what it would sign them with is nobody’s.
    const secret = randomBytes(32).toString('hex')
    const store = createLocalObjects({ root: config.objectsDir, publicUrl: config.backendUrl, secret })
    return { store, close: () => undefined }
  }
  const store = createS3Objects(bucket)
  try {
    await wait.until('the object store', store.ensureBucket)
  } catch (error) {
    store.close()
    if (!(error instanceof ObjectStoreError)) throw error
    const remedy = 'Correct the S3_* variables.'
    throw new ConfigError([{ source: 'environment', variable: 'S3_ENDPOINT', what: error.message, remedy }])
  }
  return { store, close: store.close }
}
