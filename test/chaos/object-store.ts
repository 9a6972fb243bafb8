/** Where the workbench's files lie, in two forms; both can be taken away for a while, with all that they hold. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { testS3 } from '@tutti/objects/testing'

export interface Store {
  env: Record<string, string>
  takeAway(): Promise<void>
  bringBack(): Promise<void>
  close(): Promise<void>
}

export type StoreKind = 's3' | 'folder'

export const openStore = (kind: StoreKind, root: string): Promise<Store> => (kind === 's3' ? s3() : folder(root))

const s3 = async (): Promise<Store> => {
  const server = await testS3()
  const { endpoint, bucket, region, accessKey, secretKey } = server.options
  return {
    env: {
      ...{ S3_ENDPOINT: endpoint, S3_BUCKET: bucket, S3_REGION: region },
      ...{ S3_ACCESS_KEY: accessKey, S3_SECRET_KEY: secretKey },
    },
    takeAway: server.stop,
    bringBack: server.restart,
    close: server.close,
  }
}

/** As a share that is not mounted: a file stands where the folder was, so nobody can begin a new one there. */
const folder = async (root: string): Promise<Store> => {
  const here = join(root, 'objects')
  const aside = join(root, 'objects.away')
  await mkdir(here)
  return {
    env: { OBJECTS_DIR: here },
    takeAway: async () => {
      await rename(here, aside)
      await writeFile(here, '')
    },
    bringBack: async () => {
      await rm(here)
      await rename(aside, here)
    },
    close: async () => {},
  }
}
