/** One write: in a single request when it is small, else in parts of which a few are in memory at a time. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { CopyObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { chunksOf } from '../body.ts'
import type { ObjectBody } from '../port.ts'
import { checkHash } from '../verified.ts'
import { asked } from './failures.ts'

export interface S3Write {
  client: S3Client
  bucket: string
  key: string
  body: ObjectBody
  contentType: string
  /** The hash that the body must have. */
  sha256: string | undefined
  /** Bytes. A write holds a few times this much: one part is filled while `queueSize` are on their way. */
  partBytes: number
  queueSize: number
}

/** More can't be copied in one request, so a longer object has a hash only where the writer knew it. */
const longestCopy = 5 * 1024 ** 3

export async function writeObject(write: S3Write): Promise<{ size: number; sha256: string }> {
  const hash = createHash('sha256')
  const written = { size: 0 }
  const source = chunksOf(write.body)[Symbol.asyncIterator]()
  const next = async (): Promise<Uint8Array | null> => {
    const { value, done } = await source.next()
    if (done) return null
    hash.update(value)
    written.size += value.length
    return value
  }

  const beginning: Uint8Array[] = []
  while (written.size <= write.partBytes) {
    const chunk = await next()
    if (chunk === null) {
      const sha256 = hash.digest('hex')
      checkHash(write.sha256, sha256)
      await putWhole(write, Buffer.concat(beginning), sha256)
      return { size: written.size, sha256 }
    }
    beginning.push(chunk)
  }

  let sha256 = ''
  async function* all(): AsyncIterable<Uint8Array> {
    yield* beginning.splice(0)
    for (let chunk = await next(); chunk !== null; chunk = await next()) yield chunk
    sha256 = hash.digest('hex')
    // Before the parts are put together: a body that is not the one announced never becomes an object.
    checkHash(write.sha256, sha256)
  }
  await putInParts(write, all(), () => ({ size: written.size, sha256 }))
  return { size: written.size, sha256 }
}

function putWhole({ client, bucket, key, contentType }: S3Write, body: Buffer, sha256: string) {
  const put = { Bucket: bucket, Key: key, Body: body, ContentType: contentType, Metadata: { sha256 } }
  return asked(`Writing ${key}`, () => client.send(new PutObjectCommand(put)))
}

async function putInParts(
  { client, bucket, key, contentType, sha256: announced, partBytes, queueSize }: S3Write,
  chunks: AsyncIterable<Uint8Array>,
  written: () => { size: number; sha256: string },
): Promise<void> {
  const failed: { error?: unknown } = {}
  async function* watched(): AsyncIterable<Uint8Array> {
    try {
      yield* chunks
    } catch (error) {
      failed.error = error
      throw error
    }
  }
  const upload = new Upload({
    client,
    partSize: partBytes,
    queueSize,
    params: {
      Bucket: bucket,
      Key: key,
      Body: Readable.from(watched(), { objectMode: false }),
      ContentType: contentType,
      ...(announced === undefined ? {} : { Metadata: { sha256: announced } }),
    },
  })
  const { ETag } = await asked(`Writing ${key}`, () => upload.done()).catch((error: unknown) => {
    throw 'error' in failed ? failed.error : error
  })
  const { size, sha256 } = written()
  if (announced !== undefined || size > longestCopy) return
  // S3 takes metadata when a write begins, and the hash is known when it ends: a copy onto itself, within S3, adds it.
  const copy = {
    Bucket: bucket,
    Key: key,
    CopySource: `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`,
    MetadataDirective: 'REPLACE' as const,
    ContentType: contentType,
    Metadata: { sha256 },
    ...(ETag === undefined ? {} : { CopySourceIfMatch: ETag }),
  }
  await asked(`Noting the hash of ${key}`, () => client.send(new CopyObjectCommand(copy))).catch((error: unknown) => {
    // Somebody has written another content in between, which is the one that counts now.
    if (!replaced(error)) throw error
  })
}

const replaced = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'PreconditionFailed' || ('code' in error && error.code === 'NOT_FOUND'))
