/** Where the workbench’s files lie, in two forms. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { testS3 } from '@tutti/objects/testing'

export interface Store {
  env: Record<string, string>
  /** A server can be away for a while, with all that it holds; a folder of the host is there as long as the host. */
  away: { take(): Promise<void>; back(): Promise<void> } | null
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
    away: { take: server.stop, back: server.restart },
    close: server.close,
  }
}

const folder = async (root: string): Promise<Store> => {
  const here = join(root, 'objects')
  await mkdir(here)
  return { env: { OBJECTS_DIR: here }, away: null, close: async () => {} }
}
