/** Our addresses for reading are those of the SDK, to the letter but for the order of the query. */
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { validKey } from '../src/conformance/index.ts'
import { createS3Objects } from '../src/index.ts'

const keys = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
const partsOf = (url: string) => {
  const { origin, pathname, searchParams } = new URL(url)
  return { origin, pathname, query: Object.fromEntries(searchParams) }
}

test.each([
  ['a server of one’s own', { endpoint: 'http://127.0.0.1:9000', region: 'us-east-1' }],
  ['one below a path', { endpoint: 'https://example.org/storage', region: 'auto' }],
  ['with the bucket in the host name', { endpoint: 'https://s3.example.org', region: 'eu-1', forcePathStyle: false }],
  ['AWS', { region: 'eu-central-1' }],
])('%s', async (_, where) => {
  const bucket = 'my-bucket'
  const store = createS3Objects({ bucket, ...where, accessKey: keys.accessKeyId, secretKey: keys.secretAccessKey })
  const forcePathStyle = 'forcePathStyle' in where ? where.forcePathStyle : 'endpoint' in where
  const sdk = new S3Client({
    ...where,
    forcePathStyle,
    credentials: keys,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  await fc.assert(
    fc.asyncProperty(validKey, fc.option(fc.string({ unit: 'binary' }), { nil: undefined }), async (key, filename) => {
      const ours = await store.presignGet(key, { expiresSeconds: 300, ...(filename === undefined ? {} : { filename }) })
      const parts = partsOf(ours)
      const time = String(parts.query['X-Amz-Date']).replace(
        /^(....)(..)(..T..)(..)(..Z)$/,
        (_all, year, month, rest, minute, second) => `${year}-${month}-${rest}:${minute}:${second}`,
      )
      const get = new GetObjectCommand({
        ...{ Bucket: bucket, Key: key },
        ResponseContentDisposition: String(parts.query['response-content-disposition']),
      })
      const theirs = await getSignedUrl(sdk, get, { expiresIn: 300, signingDate: new Date(time) })
      expect(parts).toEqual(partsOf(theirs))
    }),
    { numRuns: 40 },
  )
  store.close()
  sdk.destroy()
})
