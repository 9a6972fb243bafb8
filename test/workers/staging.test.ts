/** Files of tasks, from params to result: the SDK’s worker against a real orchestrator. */

import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestS3, testS3 } from '@tutti/objects/testing'
import { startOrchestrator } from '@tutti/orchestrator'
import { freePort } from '@tutti/stores/testing'
import { createWorker, type Skill, skill, type WorkerOptions } from '@tutti/worker'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'

const clientToken = 'client-token-of-the-staging-0123456789'
const workerToken = 'worker-token-of-the-staging-0123456789'

let s3: TestS3
beforeAll(async () => {
  s3 = await testS3()
})
afterAll(() => s3.close())

const s3Variables = (): Record<string, string> => ({
  S3_ENDPOINT_URL: s3.options.endpoint,
  S3_ACCESS_KEY: s3.options.accessKey,
  S3_SECRET_KEY: s3.options.secretKey,
  S3_DEFAULT_BUCKET: `tutti-test-${crypto.randomUUID()}`,
})

interface Ended {
  status: string
  // biome-ignore lint/suspicious/noExplicitAny: results of every shape
  result: any
  error: { code: string; message: string } | null
}

const startStack = async (more: Record<string, string>) => {
  const folder = await mkdtemp(join(tmpdir(), 'tutti-staging-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const port = await freePort()
  const server = await startOrchestrator({
    STORAGE: 'memory',
    API_HOST: '127.0.0.1',
    API_PORT: String(port),
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    CLIENT_TOKEN: clientToken,
    GLOBAL_WORKER_TOKEN: workerToken,
    TASK_FILES_DIR: join(folder, 'server'),
    BLUEPRINTS_DIR: join(import.meta.dirname, 'blueprints'),
    LOG_LEVEL: 'ERROR',
    ...more,
  })
  onTestFinished(server.stop)
  const url = `http://127.0.0.1:${port}`
  const api = (method: string, path: string, body?: NonNullable<RequestInit['body']>) =>
    fetch(`${url}/api/v1${path}`, {
      method,
      headers: { 'x-client-token': clientToken, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    })
  const workspaces = join(folder, 'worker')
  return {
    workspaces,
    /** A worker with the one skill `work`. */
    work: async (work: Skill | Skill['execute'], options: Partial<WorkerOptions> = {}) => {
      const worker = createWorker({
        url,
        token: workerToken,
        skills: { work: typeof work === 'function' ? { execute: work } : work },
        filesDir: workspaces,
        backoff: { firstMs: 1, maxMs: 2 },
        ...options,
      })
      onTestFinished(() => worker.stop())
      await worker.start()
    },
    create: async (params: object, id?: string): Promise<string> => {
      const input = { skill: 'work', params }
      const answer = await api('POST', '/jobs', JSON.stringify({ blueprint: 'errand', input, ...(id ? { id } : {}) }))
      return ((await answer.json()) as { job_id: string }).job_id
    },
    ended: async (id: string): Promise<Ended> => {
      for (;;) {
        const job = (await (await api('GET', `/jobs/${id}`)).json()) as Ended
        if (['finished', 'failed', 'quarantined', 'cancelled'].includes(job.status)) return job
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    put: async (id: string, name: string, body: NonNullable<RequestInit['body']>): Promise<string> => {
      const answer = await api('PUT', `/jobs/${id}/files/content/${encodeURIComponent(name)}`, body)
      return ((await answer.json()) as { s3_uri: string }).s3_uri
    },
    file: async (id: string, uri: string): Promise<Buffer> => {
      const name = uri.split(`/jobs/${id}/`)[1] ?? ''
      return Buffer.from(
        await (await api('GET', `/jobs/${id}/files/download/${encodeURIComponent(name)}`)).arrayBuffer(),
      )
    },
    events: async (id: string): Promise<string[]> => {
      const answer = (await (await api('GET', `/jobs/${id}/history`)).json()) as { event_type: string }[]
      return answer.map(({ event_type }) => event_type)
    },
  }
}

type Stack = Awaited<ReturnType<typeof startStack>>

describe.each([
  ['a local folder', () => ({})],
  ['S3', s3Variables],
])('files kept in %s', (_name, variables) => {
  let stack: Stack
  beforeEach(async () => {
    stack = await startStack(variables())
  })

  test('come as paths, and what is made of them goes back as addresses; nothing stays behind', async () => {
    const source = await stack.create({}, crypto.randomUUID())
    const large = randomBytes(20 * 1024 * 1024 + 7)
    const uri = await stack.put(source, 'in/large.bin', large)
    await stack.put(source, 'set/a.txt', 'A')
    await stack.put(source, 'set/deep/b.txt', 'B')
    const folder = uri.replace('in/large.bin', 'set/')
    const seen: string[] = []
    await stack.work(async (params, task) => {
      const given = params as { list?: { file: string; folder: string; again: string }[]; plain?: string }
      const [first] = given.list ?? []
      if (!first) return {}
      expect(first.again).toBe(first.file)
      expect(given.plain).toBe('not s3://at the start')
      const content = await readFile(first.file)
      seen.push(createHash('sha256').update(content).digest('hex'), await readFile(`${first.folder}deep/b.txt`, 'utf8'))
      seen.push((await stat(await task.folder())).mode.toString(8).slice(-3))
      const out = join(await task.folder(), 'out')
      await mkdir(join(out, 'more'), { recursive: true })
      await writeFile(join(out, 'x.bin'), content)
      await writeFile(join(out, 'more', 'ü.txt'), 'U')
      return { made: [{ file: join(out, 'x.bin') }], all: `${out}/`, absent: join(out, 'none'), other: '/etc/passwd' }
    })
    const id = await stack.create({ list: [{ file: uri, folder, again: uri }], plain: 'not s3://at the start' })
    const { status, result } = await stack.ended(id)
    expect([status, seen]).toEqual(['finished', [createHash('sha256').update(large).digest('hex'), 'B', '700']])
    expect(result.other).toBe('/etc/passwd')
    expect(result.absent).toMatch(/out\/none$/)
    expect((await stack.file(id, result.made[0].file)).equals(large)).toBe(true)
    expect(result.all).toMatch(/\/out\/$/)
    expect((await stack.file(id, `${result.all}more/ü.txt`)).toString()).toBe('U')
    expect(await readdir(stack.workspaces)).toEqual([])
  })

  test.each([
    [
      'throws',
      async () => {
        throw new Error('no')
      },
    ],
    [
      'links out of its folder',
      async (_params: unknown, task: { folder(): Promise<string> }) => {
        const link = join(await task.folder(), 'link')
        await symlink('/etc/passwd', link)
        return { link }
      },
    ],
  ] as [string, Skill['execute']][])('the folder is gone after a task that %s', async (_what, work) => {
    await stack.work(async (params, task) => {
      await writeFile(join(await task.folder(), 'left'), 'x')
      return work(params, task)
    })
    const { status } = await stack.ended(await stack.create({}))
    expect(status).not.toBe('finished')
    expect(await readdir(stack.workspaces)).toEqual([])
  })

  test('a file that is not there, or not the job’s, is wrong input; the work does not begin', async () => {
    let begun = 0
    await stack.work(async () => {
      begun += 1
      return {}
    })
    const bucket = (await stack.put(await stack.create({}), 'a', 'x')).split('/')[2]
    const own = crypto.randomUUID()
    for (const [uri, what] of [
      [`s3://${bucket}/jobs/${own}/none`, /There is no file/],
      [`s3://${bucket}/jobs/${crypto.randomUUID()}/a`, /may not read/],
      ['s3://another-bucket/a', /may not read/],
    ] as const) {
      const before = begun
      const { error } = await stack.ended(await stack.create({ uri }, uri.includes(own) ? own : undefined))
      expect(error).toMatchObject({ code: 'INVALID_INPUT_ERROR', message: expect.stringMatching(what) })
      if (uri !== `s3://${bucket}/jobs/${own}/none`) expect(begun).toBe(before)
    }
  })

  test('a skill that wants the addresses themselves gets them', async () => {
    await stack.work(skill({ files: false, run: (params) => ({ got: params.uri ?? null }) }))
    const { result } = await stack.ended(await stack.create({ uri: 's3://elsewhere/x' }))
    expect(result).toEqual({ got: 's3://elsewhere/x' })
  })
})

test('signed messages pass where signatures are required, with all that a task says', async () => {
  const stack = await startStack({ WORKER_SIGNATURES: 'required' })
  await stack.work(
    async (_params, task) => {
      task.progress(0.5)
      await task.sendEvent('half_way', { at: 3.5, 'ü😀': null })
      await writeFile(join(await task.folder(), 'a.txt'), 'a')
      return { file: join(await task.folder(), 'a.txt') }
    },
    { signMessages: true, id: 'signer' },
  )
  const id = await stack.create({})
  const { status, result } = await stack.ended(id)
  expect([status, (await stack.file(id, result.file)).toString()]).toEqual(['finished', 'a'])
  expect(await stack.events(id)).toContain('worker_event:half_way')
})
