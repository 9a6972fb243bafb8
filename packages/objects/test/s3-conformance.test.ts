import { afterAll, beforeAll } from 'vitest'
import { objectStoreConformance } from '../src/conformance/index.ts'
import { type TestS3, testS3 } from '../src/testing/test-s3.ts'
import { makeS3Store } from './s3-store.ts'

let server: TestS3
beforeAll(async () => {
  server = await testS3()
})
afterAll(() => server.close())

objectStoreConformance('S3', () => makeS3Store(server))
objectStoreConformance('S3, below a folder of its bucket', () => makeS3Store(server, { keyPrefix: 'team/tutti-12/' }))
