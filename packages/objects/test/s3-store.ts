import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { StoreUnderTest } from '../src/conformance/index.ts'
import { createS3Objects, type S3Objects, type S3ObjectsOptions } from '../src/index.ts'
import type { TestS3 } from '../src/testing/test-s3.ts'

export interface S3UnderTest extends StoreUnderTest {
  store: S3Objects
  server: TestS3
  /** The SDK itself, for what somebody else might do to the bucket. */
  client: S3Client
}

/** A store on a server that is there, in a bucket of its own. */
export async function makeS3Store(server: TestS3, options: Partial<S3ObjectsOptions> = {}): Promise<S3UnderTest> {
  const bucket = `tutti-test-${crypto.randomUUID()}`
  const store = createS3Objects({ ...server.options, bucket, ...options })
  await store.ensureBucket()
  const client = new S3Client({
    endpoint: server.options.endpoint,
    region: server.options.region,
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    credentials: { accessKeyId: server.options.accessKey, secretAccessKey: server.options.secretKey },
  })
  return {
    store,
    server,
    client,
    longestSegment: server.longestSegment,
    folderBytes: options.keyPrefix?.length ?? 0,
    async request(url, { method = 'GET', headers = {}, body } = {}) {
      const answer = await fetch(url, { method, headers, body: body === undefined ? null : Buffer.from(body) })
      return {
        status: answer.status,
        headers: Object.fromEntries(answer.headers),
        body: new Uint8Array(await answer.arrayBuffer()),
      }
    },
    async tamper(name) {
      const key = (options.keyPrefix ?? '') + name
      const { Body, Metadata } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
      const bytes = Buffer.from((await Body?.transformToByteArray()) ?? [])
      bytes[3] = 35
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes, Metadata }))
    },
    async close() {
      await store.deletePrefix('')
      store.close()
      client.destroy()
    },
  }
}
