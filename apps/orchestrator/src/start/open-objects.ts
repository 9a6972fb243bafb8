/**
 * Where large payloads and the files of jobs lie: in S3 where it is configured, else in a folder of this machine. The folder keeps files
 * for handlers and clients of one machine; payloads stay in the Store then, because the folder is not as safe as it.
 */
import { join } from 'node:path'
import { ConfigError, type S3Settings } from '@tutti/config'
import type { Job, Store } from '@tutti/engine'
import {
  createLocalObjects,
  createS3Objects,
  createTaskFiles,
  type FileOperation,
  type ObjectStore,
  ObjectStoreError,
  sweepTaskFiles,
} from '@tutti/objects'
import type { StartWait } from '@tutti/telemetry'
import type { JobFiles } from '../deps.ts'

export interface OpenObjects {
  /** Payloads leave the Store for it; null: they stay. */
  payloads: ObjectStore | null
  files: JobFiles
  taskFiles: (job: Job) => ReturnType<typeof createTaskFiles>
  /** Removes files of jobs that are over. */
  sweep(store: Pick<Store, 'job' | 'now'>): Promise<void>
  close(): void
}

export interface ObjectsOptions {
  s3: S3Settings | null
  /** TASK_FILES_DIR. */
  dir: string
  publicUrl: string
  signingKey: Buffer
  /** S3_AUTO_CLEANUP. */
  autoCleanup: boolean
  /** S3_SHARED_PREFIXES. */
  sharedPrefixes: string[]
  onOperation: (operation: FileOperation) => void
  wait: StartWait
}

/** Uploads through the server itself; a presigned address takes what the storage takes. */
const maxUploadBytes = 1024 * 1024 * 1024
/** Whoever is told of a job's end has so long to fetch its files. */
const remoteGraceMs = 86_400_000

/** @throws ConfigError when the bucket can't be used */
export const openObjects = async (options: ObjectsOptions): Promise<OpenObjects> => {
  const { s3, dir, publicUrl, signingKey, autoCleanup, sharedPrefixes, onOperation, wait } = options
  const bucketOf = s3?.bucket ?? 'local'
  const { objects, files, close } = s3 ? await openS3(s3, wait) : openFolder(dir, publicUrl, signingKey)
  return {
    payloads: s3 ? objects : null,
    files: { ...files, sharedPrefixes },
    taskFiles: (job) =>
      createTaskFiles(
        { objects, bucket: bucketOf, dir, sharedPrefixes, onOperation },
        job.id,
        job.parentId === null ? [] : [job.parentId],
      ),
    sweep: async (store) => {
      await sweepTaskFiles({
        dir,
        objects,
        endedAt: async (ids) => (await store.job(ids)).map((job) => job?.finishedAt),
        now: store.now(),
        remote: autoCleanup,
        remoteGraceMs,
      })
    },
    close,
  }
}

interface Place {
  objects: ObjectStore
  files: JobFiles
  close: () => void
}

const openS3 = async (s3: S3Settings, wait: StartWait): Promise<Place> => {
  const { bucket } = s3
  const objects = createS3Objects(s3)
  try {
    await wait.until('the object store', objects.ensureBucket)
  } catch (error) {
    objects.close()
    if (!(error instanceof ObjectStoreError)) throw error
    throw new ConfigError([
      {
        source: 'environment',
        variable: 'S3_ENDPOINT_URL',
        what: error.message,
        remedy: 'Correct the S3_* variables.',
      },
    ])
  }
  return { objects, files: { objects, bucket, maxUploadBytes }, close: objects.close }
}

const openFolder = (dir: string, publicUrl: string, signingKey: Buffer): Place => {
  const objects = createLocalObjects({
    root: join(dir, '.objects'),
    publicUrl: `${publicUrl.replace(/\/+$/, '')}/_public/objects`,
    secret: signingKey.toString('base64'),
  })
  const { verifyPresigned } = objects
  return { objects, files: { objects, bucket: 'local', maxUploadBytes, verifyPresigned }, close: () => {} }
}
