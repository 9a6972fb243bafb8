import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { checkContentType } from '../content-type.ts'
import { deletePrefix } from '../delete-prefix.ts'
import { ObjectStoreError } from '../errors.ts'
import { attachment } from '../http/disposition.ts'
import { checkKey, checkPrefix, longestPage } from '../keys.ts'
import { hashHeader, type ObjectStore } from '../port.ts'
import { checkExpiry } from '../presign.ts'
import { below } from './below.ts'
import { createClients } from './client.ts'
import { asked } from './failures.ts'
import { listObjects } from './list.ts'
import { presignGetUrl } from './presign-get.ts'
import { getObject, headObject } from './read.ts'
import { writeObject } from './write.ts'

export interface S3ObjectsOptions {
  bucket: string
  /** Scheme, host and port; left out: AWS. */
  endpoint?: string
  /** Under which others reach the endpoint; presigned addresses are made for it. Left out: the endpoint. */
  publicEndpoint?: string
  /** Whether the bucket stands in the path of addresses. Left out: yes, unless the endpoint is AWS’s. */
  forcePathStyle?: boolean
  /** Folder in the bucket below which all keys lie; it ends with a slash. Nobody who uses the store sees it; keys may be shorter by it. */
  keyPrefix?: string
  region?: string
  /** Left out, both: what the surroundings give (roles, profiles, AWS_* variables). */
  accessKey?: string
  secretKey?: string
  /** Requests to S3 under way at a time, over all that use this store; a stream that is read counts until it is over. */
  maxConcurrency?: number
  /** Tries of a request that fails for a passing reason, the first included. */
  attempts?: number
  /** Silence of the server after which a request is given up. */
  requestTimeoutMs?: number
  /** Bytes of a part of a large object: 5 MiB at least (S3's rule), and 10,000 of them are the longest object. */
  partBytes?: number
  /** Parts of one object on their way at a time. A write holds about `partBytes` × (`partsAtOnce` + 1). */
  partsAtOnce?: number
}

export interface S3Objects extends ObjectStore {
  readonly bucket: string
  /**
   * Makes sure, at start, that the bucket is there and ours to use; makes it when it is missing.
   * @throws ObjectStoreError NO_BUCKET, ACCESS_DENIED, UNREACHABLE, with what to do
   */
  ensureBucket(): Promise<void>
  /** Closes idle connections. */
  close(): void
}

const leastPart = 5 * 1024 * 1024

/** Objects in a bucket of S3, or of a server that speaks like it. */
export function createS3Objects(options: S3ObjectsOptions): S3Objects {
  const { bucket, keyPrefix = '', partBytes = 8 * 1024 * 1024, partsAtOnce = 4 } = options
  if (partBytes < leastPart) throw new TypeError(`A part has ${leastPart} bytes at least`)
  const { asking: client, signing } = createClients(options)
  const place = (key: string) => {
    checkKey(key)
    return { client, bucket, key }
  }

  let base: Promise<{ origin: string; host: string; path: string }> | undefined

  /** Where the SDK puts the bucket: in the host name or in the path. */
  const baseOf = async (): Promise<{ origin: string; host: string; path: string }> => {
    const get = new GetObjectCommand({ Bucket: bucket, Key: 'k' })
    const { origin, host, pathname } = new URL(await getSignedUrl(signing, get, { expiresIn: 60 }))
    return { origin, host, path: pathname.slice(0, -'/k'.length) }
  }

  const store: ObjectStore = {
    async put(key, body, { contentType = 'application/octet-stream', sha256 } = {}) {
      checkContentType(contentType)
      const write = { ...place(key), body, contentType, sha256, partBytes, queueSize: partsAtOnce }
      return { key, ...(await writeObject(write)) }
    },
    get: async (key, { range } = {}) => getObject(place(key), range),
    head: async (key) => headObject(place(key)),
    async delete(key) {
      place(key)
      await asked(`Deleting ${key}`, () => client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })))
    },
    deletePrefix: (prefix) => deletePrefix(store, prefix),
    async list(prefix, cursor = null, limit = longestPage) {
      checkPrefix(prefix)
      return listObjects({ client, bucket, prefix, cursor, limit })
    },
    async presignGet(key, { expiresSeconds, filename }) {
      place(key)
      checkExpiry(expiresSeconds)
      const disposition = attachment(filename ?? key.slice(key.lastIndexOf('/') + 1))
      base ??= baseOf()
      const [keys, region] = await Promise.all([signing.config.credentials(), signing.config.region()])
      return presignGetUrl({ ...{ base: await base, region, keys, key, disposition, expiresSeconds }, now: new Date() })
    },
    async presignPut(key, { expiresSeconds, sha256 }) {
      place(key)
      checkExpiry(expiresSeconds)
      const metadata = sha256 === undefined ? {} : { Metadata: { sha256 } }
      const put = new PutObjectCommand({ Bucket: bucket, Key: key, ...metadata })
      // As a header, which every server of this kind keeps; of a query not all do.
      return getSignedUrl(signing, put, { expiresIn: expiresSeconds, unhoistableHeaders: new Set([hashHeader]) })
    },
  }

  return {
    ...below(keyPrefix, store),
    bucket,
    async ensureBucket() {
      if (!(await isThere())) await createBucket()
    },
    close() {
      client.destroy()
      signing.destroy()
    },
  }

  async function isThere(): Promise<boolean> {
    try {
      await asked(`The bucket ${bucket}`, () => client.send(new HeadBucketCommand({ Bucket: bucket })))
      return true
    } catch (error) {
      if (!(error instanceof ObjectStoreError) || !['NOT_FOUND', 'NO_BUCKET'].includes(error.code)) throw error
      return false
    }
  }

  async function createBucket(): Promise<void> {
    try {
      await asked(`Making the bucket ${bucket}`, () => client.send(new CreateBucketCommand({ Bucket: bucket })))
    } catch (error) {
      // Another instance that starts at the same moment has made it. Servers give that refusal many names.
      if (await isThere()) return
      if (error instanceof ObjectStoreError && error.code !== 'ACCESS_DENIED') throw error
      throw new ObjectStoreError(
        'NO_BUCKET',
        `There is no bucket ${bucket}, and it can’t be made with these keys; make it, or name another`,
        { cause: error },
      )
    }
  }
}
