/** Files on their way: what is tried again, what is not, and how many at a time. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { access, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { skill, type WorkerOptions } from '../src/index.ts'
import { aTask } from './support/fake-orchestrator.ts'
import { fakeOrchestrator, runningWorker, until } from './support/setup.ts'

const hello = createHash('sha256').update('hello').digest('hex')

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'worker-files-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
})

/** Where presigned addresses lead. */
const storage = async (handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> => {
  const server = createServer(handle).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const setUp = async (
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  facts: { size?: number; sha256?: string | null } = {},
  options: Partial<WorkerOptions> = {},
) => {
  const base = await storage(handle)
  const asked: string[] = []
  const server = await fakeOrchestrator({
    files: (method, url, body) => {
      asked.push(`${method} ${url.searchParams.get('uri') ?? (body as { filename: string }).filename}`)
      return method === 'GET'
        ? [200, { url: `${base}/get`, expires_in: 60, size: 5, sha256: hello, ...facts }]
        : [200, { url: `${base}/put`, method: 'PUT', headers: { 'x-mark': 'm' }, uri: 's3://b/sent', expires_in: 60 }]
    },
  })
  const read = skill({
    run: async ({ file }) => ({ content: typeof file === 'string' ? await readFile(file, 'utf8') : null }),
  })
  const write = skill({
    run: async (_params, task) => {
      const path = join(await task.folder(), 'a.txt')
      await writeFile(path, 'hello')
      return { deep: [{ path }] }
    },
  })
  await runningWorker(server, { skills: { read, write }, filesDir: dir, ...options })
  const result = async (fields: Parameters<typeof aTask>[0]) => {
    server.enqueue(aTask(fields))
    await until(() => server.accepted.length === 1)
    return server.accepted[0]
  }
  return { server, asked, result }
}

const file = { file: 's3://b/hello' }

test('a storage that fails twice is tried a third time, with a new address', async () => {
  let failures = 2
  const { asked, result } = await setUp((_request, response) => {
    failures -= 1
    if (failures === 1) response.writeHead(503).end('busy')
    else if (failures === 0) response.writeHead(200, { 'content-length': 5 }).write('hel', () => response.destroy())
    else response.end('hello')
  })
  expect((await result({ type: 'read', params: file }))?.data).toEqual({ content: 'hello' })
  expect(asked).toHaveLength(3)
  expect(await readdir(dir)).toEqual([])
})

test('a storage that goes on failing is a fault that may pass', async () => {
  const { asked, result } = await setUp((_request, response) => response.writeHead(500).end())
  const answer = await result({ type: 'read', params: file })
  expect(answer?.error).toMatchObject({ code: 'TRANSIENT_ERROR', message: expect.stringMatching(/^s3:\/\/b\/hello: /) })
  expect(asked).toHaveLength(3)
})

test.each([
  ['other bytes than the storage was told', 'hellO', {}, {}],
  ['more bytes', 'hello, world', { size: 5, sha256: null }, {}],
  ['fewer bytes', 'hell', { size: 5, sha256: null }, {}],
  ['another size than the params promise', 'hello', { sha256: null }, { file: { size: 6 } }],
  ['other bytes than the params promise', 'hello', { sha256: null }, { file: { sha256: 'a'.repeat(64) } }],
  ['bytes that the storage itself knows to be others', 'hello', {}, { file: { sha256: 'a'.repeat(64) } }],
])('a file with %s fails the job, and no work is done', async (_what, body, facts, params_metadata) => {
  const { asked, result } = await setUp((_request, response) => response.end(body), facts)
  const answer = await result({ type: 'read', params: file, params_metadata })
  expect(answer?.error).toMatchObject({ code: 'INTEGRITY_MISMATCH_ERROR' })
  expect(asked, 'trying again would bring the same').toHaveLength(1)
  expect(await readdir(dir)).toEqual([])
})

test('what goes up has its length, its headers and its bytes, and the result says what it was', async () => {
  const puts: [string | undefined, unknown, string][] = []
  let failures = 1
  const { result } = await setUp(async (request, response) => {
    puts.push([request.headers['content-length'], request.headers['x-mark'], await text(request)])
    response.writeHead(failures-- > 0 ? 500 : 200).end()
  })
  expect(await result({ type: 'write' })).toMatchObject({
    data: { deep: [{ path: 's3://b/sent' }] },
    data_metadata: { 'deep[0].path': { uri: 's3://b/sent', size: 5, sha256: hello } },
  })
  expect(puts).toEqual([
    ['5', 'm', 'hello'],
    ['5', 'm', 'hello'],
  ])
})

test('at most fifty files are on their way at a time', async () => {
  const open: ServerResponse[] = []
  const { result, server } = await setUp((_request, response) => void open.push(response))
  const params = { files: Array.from({ length: 60 }, (_, at) => `s3://b/${at}`) }
  const done = result({ type: 'read', params })
  await until(() => open.length === 50)
  // A further one would have asked for its address by now: they are asked for in the same turn.
  expect(server.requests.filter(({ path }) => path.endsWith('/download'))).toHaveLength(50)
  for (let sent = 0; sent < 60; sent += 1) {
    await until(() => open.length > sent)
    open[sent]?.end('hello')
  }
  expect((await done)?.status).toBe('success')
})

test('a task that is cancelled while its files come ends at once, and leaves nothing', async () => {
  const open: ServerResponse[] = []
  const { result, server } = await setUp((_request, response) => void open.push(response), {}, { webSocket: true })
  await until(() => server.sockets.size === 1)
  const task = aTask({ type: 'read', params: file })
  const done = result(task)
  await until(() => open.length === 1)
  await access(dir)
  server.command({ command: 'cancel_task', task_id: task.task_id, job_id: task.job_id })
  expect((await done)?.status).toBe('cancelled')
  expect(await readdir(dir)).toEqual([])
})

test.each(['s3://b/..', 's3://b/a\nb', `s3://b/${'x'.repeat(300)}`])(
  '%j names no file on this machine',
  async (uri) => {
    const { asked, result } = await setUp((_request, response) => response.end('hello'))
    const answer = await result({ type: 'read', params: { file: uri } })
    expect(answer?.error).toMatchObject({ code: 'PERMANENT_ERROR' })
    expect(asked).toEqual([])
  },
)

test('an orchestrator without files says so, once', async () => {
  const server = await fakeOrchestrator({
    files: () => [501, { error: 'no storage', code: 'FILES_NOT_ENABLED', retryable: false, hint: 'h' }],
  })
  await runningWorker(server, { filesDir: dir })
  server.enqueue(aTask({ params: file }))
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]?.error).toMatchObject({ code: 'PERMANENT_ERROR' })
})
