/**
 * s3rver in a process of its own, started by `testS3`, and put right where it departs from S3 in ways that matter here: it
 * pages in the order of its folders rather than of bytes, takes every presigned address for genuine, reads all that a bucket holds
 * when it is asked whether the bucket is there (a second for two thousand objects, in which it answers nobody), and writes objects in
 * their place: of one that was being written when it was killed, it would have half, and say that it is there.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { compareKeys } from '../keys.ts'

interface Listing {
  objects: { key: string }[]
  commonPrefixes: string[]
  isTruncated: boolean
}

interface Written {
  bucket: string
  key: string
  content: Buffer | Readable
  metadata: object
}

interface S3rver {
  run(): Promise<{ port: number }>
  middleware: ((context: Context, next: () => Promise<void>) => Promise<void>)[]
  store: {
    listObjects(bucket: string, options: { prefix?: string; startAfter?: string; maxKeys?: number }): Promise<Listing>
    getResourcePath(bucket: string, key: string, resource: string): string
    putMetadata(bucket: string, key: string, metadata: object, md5: string): Promise<void>
    putObject(object: Written): Promise<{ size: number; md5: string }>
  }
}

interface Context {
  req: IncomingMessage
  res: ServerResponse
  status: number
  body: unknown
}

const Server = createRequire(import.meta.url)('s3rver') as new (options: object) => S3rver
const [, , directory = '.', wanted = '0'] = process.argv
const server = new Server({ address: '127.0.0.1', port: Number(wanted), silent: true, directory })

/** The method of the request that is answered. */
const method = new AsyncLocalStorage<string | undefined>()
server.middleware.unshift(({ req }, next) => method.run(req.method, next))

const list = server.store.listObjects.bind(server.store)
server.store.listObjects = async (bucket, { prefix, startAfter = '', maxKeys = 1000 }) => {
  if (method.getStore() === 'HEAD') return { objects: [], commonPrefixes: [], isTruncated: false }
  const { objects } = await list(bucket, prefix === undefined ? {} : { prefix })
  const behind = objects.filter(({ key }) => compareKeys(key, startAfter) > 0).sort((a, b) => compareKeys(a.key, b.key))
  return { objects: behind.slice(0, maxKeys), commonPrefixes: [], isTruncated: behind.length > maxKeys }
}

server.store.putObject = async ({ bucket, key, content, metadata }) => {
  const { store } = server
  const draft = join(directory, `.${randomUUID()}`)
  const hash = createHash('md5')
  let size = 0
  const counted = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      hash.update(chunk)
      size += chunk.length
      yield chunk
    }
  }
  await pipeline(Buffer.isBuffer(content) ? Readable.from([content]) : content, counted, createWriteStream(draft))
  const place = store.getResourcePath(bucket, key, 'object')
  await mkdir(dirname(place), { recursive: true })
  // An object without what is known of it is whole; one with what was known of another would be taken for damaged.
  for (const other of ['metadata.json', 'object.md5'])
    await rm(store.getResourcePath(bucket, key, other), { force: true })
  await rename(draft, place)
  const md5 = hash.digest('hex')
  await store.putMetadata(bucket, key, metadata, md5)
  return { size, md5 }
}

server.middleware.unshift(async (context, next) => {
  if (isGenuine(context.req)) return next()
  context.status = 403
  context.body = '<Error><Code>SignatureDoesNotMatch</Code></Error>'
})

/** Signature version 4 in a query, as S3 checks it. */
function isGenuine(request: IncomingMessage): boolean {
  const [path = '', query = ''] = (request.url ?? '').split('?')
  const fields = query.split('&').filter((field) => !field.startsWith('X-Amz-Signature='))
  const value = (name: string) => new URLSearchParams(query).get(name) ?? ''
  if (value('X-Amz-Signature') === '') return true
  const headers = value('X-Amz-SignedHeaders').split(';')
  const canonical = [
    request.method,
    path,
    fields.sort().join('&'),
    ...headers.map((name) => `${name}:${String(request.headers[name] ?? '').trim()}`),
    '',
    headers.join(';'),
    'UNSIGNED-PAYLOAD',
  ].join('\n')
  const [, ...scope] = value('X-Amz-Credential').split('/')
  const hash = createHash('sha256').update(canonical).digest('hex')
  const text = ['AWS4-HMAC-SHA256', value('X-Amz-Date'), scope.join('/'), hash].join('\n')
  const sign = (key: string | Buffer, part: string) => createHmac('sha256', key).update(part).digest()
  const signature = sign(scope.reduce<string | Buffer>(sign, 'AWS4S3RVER'), text)
  const offered = Buffer.from(value('X-Amz-Signature'), 'hex')
  return offered.length === signature.length && timingSafeEqual(offered, signature)
}

const { port } = await server.run()
process.stdout.write(`${port}\n`)
// The test that started it has gone, however it ended.
process.stdin.resume().on('end', () => process.exit())
