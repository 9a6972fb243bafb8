/** The example workers in other languages, each against a real orchestrator: Python always, Go where the machine has it. */

import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startOrchestrator } from '@tutti/orchestrator'
import { freePort } from '@tutti/stores/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

const examples = join(import.meta.dirname, '..', '..', 'examples', 'workers')
const clientToken = 'client-token-of-the-languages-0123456789'
const workerToken = 'worker-token-of-the-languages-0123456789'
let folder = ''

const hasGo = spawnSync('go', ['version'], { stdio: 'ignore' }).status === 0
if (!hasGo) process.stderr.write('test/workers: no Go on this machine (golang-go), so its worker is not tested\n')

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'languages-'))
  if (!hasGo) return
  const env = { ...process.env, GOCACHE: join(folder, 'cache'), GOFLAGS: '-mod=mod', GOPROXY: 'off' }
  await promisify(execFile)('go', ['build', '-o', join(folder, 'worker'), '.'], { cwd: join(examples, 'go'), env })
}, 180_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

type Command = [program: string, args: string[]]

const languages: { language: string; here: boolean; command: () => Command }[] = [
  { language: 'python', here: true, command: () => ['python3', [join(examples, 'python', 'worker.py')]] },
  { language: 'go', here: hasGo, command: () => [join(folder, 'worker'), []] },
]

const startServer = async (port: number) => {
  const server = await startOrchestrator({
    STORAGE: 'memory',
    API_HOST: '127.0.0.1',
    API_PORT: String(port),
    CLIENT_TOKEN: clientToken,
    GLOBAL_WORKER_TOKEN: workerToken,
    // Signs of life come every third of twice this: a cancel must not take long to arrive.
    WORKER_HEALTH_CHECK_INTERVAL_SECONDS: '1',
    BLUEPRINTS_DIR: join(import.meta.dirname, 'blueprints'),
    LOG_LEVEL: 'ERROR',
  })
  onTestFinished(server.stop)
  return server
}

const startWorker = (command: Command, port: number) => {
  const said: string[] = []
  const child: ChildProcess = spawn(command[0], command[1], {
    env: { PATH: process.env.PATH, ORCHESTRATOR_URL: `http://127.0.0.1:${port}`, WORKER_TOKEN: workerToken },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const gone = once(child, 'exit')
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => said.push(String(text)))
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await gone
  })
  return { child, gone, said: () => said.join('') }
}

const caller = (port: number) => {
  const call = async (method: string, path: string, body?: object) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
      method,
      headers: { 'x-client-token': clientToken, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    return response.json()
  }
  return {
    create: async (skill: string, params: object): Promise<string> => {
      const job = await call('POST', '/jobs', { blueprint: 'errand', input: { skill, params } })
      return (job as { job_id: string }).job_id
    },
    cancel: (id: string) => call('POST', `/jobs/${id}/cancel`),
    read: async (id: string) =>
      (await call('GET', `/jobs/${id}`)) as { status: string; result: unknown; error: { message: string } | null },
    taken: async (id: string) => JSON.stringify(await call('GET', `/workers`)).includes('busy') && id,
  }
}

const until = async <T>(look: () => Promise<T> | T, good: (value: T) => boolean): Promise<T> => {
  for (;;) {
    const value = await look()
    if (good(value)) return value
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

describe.each(languages)('$language', ({ here, command }) => {
  test.runIf(here)('waits for its orchestrator, does tasks, and says what is wrong with others', async () => {
    const port = await freePort()
    const worker = startWorker(command(), port)
    const early = worker.said()
    await startServer(port)
    const { create, read } = caller(port)
    const good = await create('text.count_words', { text: 'to be or not to be' })
    const bad = await create('text.count_words', { text: 5 })
    const ended = ({ status }: { status: string }): boolean => status !== 'waiting_for_worker'
    expect(await until(() => read(good), ended)).toMatchObject({
      status: 'finished',
      result: { words: { to: 2, be: 2, or: 1, not: 1 } },
    })
    expect(await until(() => read(bad), ended)).toMatchObject({
      status: 'failed',
      error: { message: 'Task failed due to invalid input: params.text must be a text' },
    })
    expect(early).not.toContain('registered')
  })

  test.runIf(here)('stops a task that is cancelled', async () => {
    const port = await freePort()
    await startServer(port)
    const worker = startWorker(command(), port)
    const { create, cancel, taken } = caller(port)
    const id = await create('demo.wait', { seconds: 600 })
    await until(() => taken(id), Boolean)
    await cancel(id)
    await until(worker.said, (said) => said.includes('cancelled, ignored'))
  })

  test.runIf(here)('leaves when it is told to: what it has is finished first, and nothing new is taken', async () => {
    const port = await freePort()
    await startServer(port)
    const worker = startWorker(command(), port)
    const { create, read, taken } = caller(port)
    const first = await create('demo.wait', { seconds: 2 })
    await until(() => taken(first), Boolean)
    worker.child.kill('SIGTERM')
    const [code] = await worker.gone
    expect(code, worker.said()).toBe(0)
    expect((await read(first)).status).toBe('finished')
  })

  test.runIf(here)('does not go on with a token that is refused', async () => {
    const port = await freePort()
    await startServer(port)
    const [program, args] = command()
    const child = spawn(program, args, {
      env: { PATH: process.env.PATH, ORCHESTRATOR_URL: `http://127.0.0.1:${port}`, WORKER_TOKEN: 'guessed' },
      stdio: 'ignore',
    })
    const [code] = await once(child, 'exit')
    expect(code).toBe(1)
  })
})

test('a blueprint, a worker and a client in Python alone', async () => {
  const port = await freePort()
  await startServer(port)
  const env = {
    PATH: process.env.PATH,
    TUTTI_API_URL: `http://127.0.0.1:${port}`,
    TUTTI_CLIENT_TOKEN: clientToken,
    WORKER_TOKEN: workerToken,
  }
  const program = join(examples, '..', 'python-only', 'main.py')
  const run = async (text: string) =>
    (await promisify(execFile)('python3', [program, text], { env, timeout: 30_000 })).stdout.trim().split('\n')
  const many = await run('to be or not to be')
  expect(many.at(-1)).toBe('finished {"words": 6}')
  expect(many.join('\n')).toContain('approval_received')
  // A second time: the blueprint is there already.
  const few = await run('to be')
  expect(few.at(-1)).toBe('finished {"words": 2}')
  expect(few.join('\n')).not.toContain('approval')
})
