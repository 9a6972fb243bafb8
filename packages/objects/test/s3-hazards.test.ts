import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createS3Objects, type S3ObjectsOptions } from '../src/index.ts'
import { type TestS3, testS3 } from '../src/testing/test-s3.ts'
import { makeS3Store } from './s3-store.ts'

let server: TestS3
beforeAll(async () => {
  server = await testS3()
})
afterAll(() => server.close())

const makeStore = async (options: Partial<S3ObjectsOptions> = {}) => {
  const under = await makeS3Store(server, options)
  onTestFinished(() => under.close())
  return under
}

/** Stands in front of the server: counts what is under way, and cuts answers where it is told to. */
async function makeProxy() {
  const state = { underWay: 0, most: 0, cutAfter: Number.POSITIVE_INFINITY }
  const proxy = createServer((request, response) => {
    state.underWay += 1
    state.most = Math.max(state.most, state.underWay)
    response.once('close', () => {
      state.underWay -= 1
    })
    const target = new URL(request.url ?? '/', server.options.endpoint)
    const onward = httpRequest(target, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      let sent = 0
      answer.on('data', (chunk: Buffer) => {
        sent += chunk.length
        response.write(chunk.subarray(0, Math.max(0, state.cutAfter - (sent - chunk.length))))
        if (sent >= state.cutAfter) response.destroy()
      })
      answer.on('end', () => response.end())
    })
    request.pipe(onward)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  return { state, endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` }
}

/** Sends the first half of an object. */
const putHalf = async (address: string, bytes: Buffer): Promise<void> => {
  const request = httpRequest(address, { method: 'PUT', headers: { 'content-length': bytes.length * 2 } })
  request.on('error', () => undefined)
  await new Promise<void>((resolve, reject) => {
    request.write(bytes, (error) => (error ? reject(error) : resolve()))
  })
}

describe('the server of these tests', () => {
  it('has nothing of an object that was being written when it was killed', async () => {
    const own = await testS3()
    onTestFinished(() => own.close())
    const { store, close } = await makeS3Store(own)
    onTestFinished(close)
    await store.put('k', 'before')
    for (const key of ['k', 'new'])
      await putHalf(await store.presignPut(key, { expiresSeconds: 60 }), Buffer.alloc(300_000, 'x'))
    // When it has answered so often, it has read what came before.
    for (let asked = 0; asked < 50; asked++) await store.head('other')
    await own.stop()
    await own.restart()
    expect(await store.head('new')).toBeNull()
    expect((await buffer((await store.get('k')).stream)).toString()).toBe('before')
  })
})

describe('the bucket', () => {
  it('is made when it is missing, and found when it is there', async () => {
    const store = createS3Objects({ ...server.options, bucket: `tutti-test-${crypto.randomUUID()}` })
    onTestFinished(() => store.close())
    await expect(store.get('k')).rejects.toMatchObject({ code: 'NO_BUCKET', retryable: false })
    await expect(store.put('k', 'x')).rejects.toMatchObject({ code: 'NO_BUCKET' })
    await store.ensureBucket()
    await store.ensureBucket()
    await store.put('k', 'x')
  })

  it('is made once by processes that start at the same moment, and all of them go on', async () => {
    const bucket = `tutti-test-${crypto.randomUUID()}`
    const stores = Array.from({ length: 8 }, () => createS3Objects({ ...server.options, bucket }))
    onTestFinished(() => {
      for (const store of stores) store.close()
    })
    await Promise.all(stores.map((store) => store.ensureBucket()))
    await stores[0]?.put('k', 'x')
  })

  it('of wrong keys is ACCESS_DENIED, and never looks empty', async () => {
    const { store } = await makeStore()
    await store.put('k', 'x')
    const stranger = createS3Objects({ ...server.options, bucket: store.bucket, accessKey: 'nobody' })
    onTestFinished(() => stranger.close())
    const denied = { code: 'ACCESS_DENIED', retryable: false }
    await expect(stranger.ensureBucket()).rejects.toMatchObject(denied)
    await expect(stranger.get('k')).rejects.toMatchObject(denied)
    await expect(stranger.head('k')).rejects.toMatchObject(denied)
    await expect(stranger.list('')).rejects.toMatchObject(denied)
  })
})

it('a server that is away is UNREACHABLE, which is worth another try', async () => {
  const other = await testS3()
  const store = createS3Objects(other.options)
  onTestFinished(async () => {
    store.close()
    await other.close()
  })
  await store.ensureBucket()
  await other.stop()
  const away = { code: 'UNREACHABLE', retryable: true }
  await expect(store.put('k', 'x')).rejects.toMatchObject(away)
  await expect(store.head('k')).rejects.toMatchObject(away)
  await expect(store.ensureBucket()).rejects.toMatchObject(away)
})

describe('concurrency', () => {
  it('is bounded over all operations, and used up to the bound', async () => {
    const { state, endpoint } = await makeProxy()
    const { store } = await makeStore({ endpoint, maxConcurrency: 3 })
    const large = Buffer.alloc(6 * 1024 * 1024, 'x')
    await Promise.all([
      ...Array.from({ length: 12 }, (_, index) => store.put(`small/${index}`, 'x')),
      store.put('large/1', Readable.from([large, large])),
      store.put('large/2', Readable.from([large, large])),
    ])
    const reads = Array.from({ length: 12 }, async (_, index) => buffer((await store.get(`small/${index}`)).stream))
    expect(await Promise.all(reads)).toHaveLength(12)
    expect(state.most).toBe(3)
  })

  it('a stream that is given up gives its slot back, and so does an operation that fails', async () => {
    const { store } = await makeStore({ maxConcurrency: 1 })
    await store.put('k', Buffer.alloc(1_000_000))
    const { stream } = await store.get('k')
    stream.destroy()
    await expect(store.get('no/such')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await store.head('k')).toMatchObject({ size: 1_000_000 })
  })
})

it('a download that breaks off fails, and is never taken for the whole', async () => {
  const { state, endpoint } = await makeProxy()
  const { store } = await makeStore({ endpoint })
  await store.put('k', Buffer.alloc(1_000_000))
  state.cutAfter = 500_000
  const { stream } = await store.get('k')
  await expect(buffer(stream)).rejects.toThrow()
  state.cutAfter = Number.POSITIVE_INFINITY
})

it('what others wrote has no hash, and is read all the same', async () => {
  const { store, client } = await makeStore()
  await client.send(new PutObjectCommand({ Bucket: store.bucket, Key: 'foreign', Body: 'theirs' }))
  await client.send(new PutObjectCommand({ Bucket: store.bucket, Key: 'folder/', Body: '' }))
  const content = await store.get('foreign')
  expect([content.sha256, (await buffer(content.stream)).toString()]).toEqual([null, 'theirs'])
  expect((await store.list('')).objects.map(({ key }) => key)).toEqual(['foreign'])
})

it('256 MB go up and come down in less than 200 MB of memory', async () => {
  const { store } = await makeStore()
  const chunk = Buffer.alloc(1024 * 1024, 'tutti')
  async function* generated() {
    for (let sent = 0; sent < 256; sent += 1) yield chunk
  }
  const before = process.memoryUsage.rss()
  let most = before
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss())
  }, 10)
  onTestFinished(() => clearInterval(watch))
  const { size } = await store.put('huge', Readable.from(generated()))
  let received = 0
  for await (const piece of (await store.get('huge')).stream) received += piece.length
  expect([size, received]).toEqual([256 * 1024 * 1024, 256 * 1024 * 1024])
  expect((most - before) / 1024 / 1024).toBeLessThan(200)
})
