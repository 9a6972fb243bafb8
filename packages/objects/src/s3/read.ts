import { pipeline, Readable, Transform } from 'node:stream'
import { GetObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { ObjectStoreError } from '../errors.ts'
import type { ByteRange, ObjectContent, ObjectInfo } from '../port.ts'
import { checkRange, fitRange } from '../range.ts'
import { verified } from '../verified.ts'
import { asked } from './failures.ts'

export interface S3Place {
  client: S3Client
  bucket: string
  key: string
}

export async function headObject({ client, bucket, key }: S3Place): Promise<ObjectInfo | null> {
  try {
    const head = new HeadObjectCommand({ Bucket: bucket, Key: key })
    const answer = await asked(`Looking at ${key}`, () => client.send(head))
    return infoOf(key, answer, answer.ContentLength ?? 0)
  } catch (error) {
    if (error instanceof ObjectStoreError && error.code === 'NOT_FOUND') return null
    throw error
  }
}

export async function getObject({ client, bucket, key }: S3Place, range?: ByteRange): Promise<ObjectContent> {
  if (range) checkRange(range)
  const header = range ? { Range: `bytes=${range.start}-${range.end ?? ''}` } : {}
  const get = new GetObjectCommand({ Bucket: bucket, Key: key, ...header })
  const answer = await asked(`Reading ${key}`, () => client.send(get))
  if (!(answer.Body instanceof Readable)) throw new ObjectStoreError('CORRUPT', `S3 answered ${key} without a body`)
  const source = answer.Body
  const part = partOf(answer.ContentRange)
  const info = infoOf(key, answer, part?.size ?? answer.ContentLength ?? 0)
  try {
    if (range === undefined) {
      return { ...info, range: null, stream: info.sha256 === null ? source : verified(source, info.sha256) }
    }
    const wanted = fitRange(range, info.size)
    return { ...info, range: wanted, stream: cut(source, part?.start ?? 0, part?.end ?? info.size - 1, wanted) }
  } catch (error) {
    source.destroy()
    throw error
  }
}

interface Described {
  ContentType?: string | undefined
  ETag?: string | undefined
  LastModified?: Date | undefined
  Metadata?: Record<string, string> | undefined
}

function infoOf(key: string, { ContentType, ETag, LastModified, Metadata }: Described, size: number): ObjectInfo {
  const sha256 = Metadata?.sha256
  return {
    key,
    size,
    contentType: ContentType ?? 'application/octet-stream',
    etag: (ETag ?? '').replace(/^W\//, '').replaceAll('"', ''),
    sha256: sha256 !== undefined && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : null,
    modifiedAt: LastModified ?? new Date(0),
  }
}

function partOf(header: string | undefined): { start: number; end: number; size: number } | null {
  const [, start, end, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header ?? '') ?? []
  return size === undefined ? null : { start: Number(start), end: Number(end), size: Number(size) }
}

/** The wanted bytes of an answer that holds those from `start` to `end`: a server may answer more than it was asked for. */
function cut(source: Readable, start: number, end: number, wanted: Required<ByteRange>): Readable {
  if (start === wanted.start && end === wanted.end) return source
  let at = start
  const scissors = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      const piece = chunk.subarray(Math.max(0, wanted.start - at), Math.max(0, wanted.end + 1 - at))
      at += chunk.length
      done(null, piece.length === 0 ? undefined : piece)
    },
  })
  return pipeline(source, scissors, () => undefined)
}
