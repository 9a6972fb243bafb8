import { EventEmitter } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { runWorkerFile } from '../src/index.ts'
import { aTask } from './support/fake-orchestrator.ts'
import { fakeOrchestrator, until } from './support/setup.ts'

const echoWorker = fileURLToPath(new URL('./fixtures/echo-worker.ts', import.meta.url))
const notAWorker = fileURLToPath(new URL('./fixtures/not-a-worker.ts', import.meta.url))

const recordingLog = () => {
  const lines: string[] = []
  const write = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`)
  return { lines, log: { info: write, warn: write, error: write } }
}

test('runs the skills of a file until a signal, one line per start and end of a task', async () => {
  const server = await fakeOrchestrator()
  const signals = new EventEmitter()
  const { lines, log } = recordingLog()
  const env = {
    ORCHESTRATOR_URL: server.url,
    WORKER_TOKEN: 'shared',
    WORKER_INDIVIDUAL_TOKEN: 'own',
    MAX_CONCURRENT_TASKS: '7',
  }
  const running = runWorkerFile(echoWorker, { env, signals, log })
  await until(() => server.parkedPolls() === 1)
  expect(server.registrations[0]).toMatchObject({
    worker_id: expect.stringMatching(/^worker-[0-9a-f-]{36}$/),
    max_concurrent_tasks: 7,
    supported_skills: ['echo'],
  })
  expect(server.requests[0]?.token).toBe('own')
  const task = aTask({ params: { hello: 'world' } })
  server.enqueue(task)
  await until(() => server.accepted.length === 1)
  signals.emit('SIGTERM')
  await running
  const about = lines.filter((line) => line.includes(task.task_id))
  expect(about).toEqual([expect.stringMatching(/^task started/), expect.stringMatching(/^task finished/)])
  expect(signals.listenerCount('SIGTERM') + signals.listenerCount('SIGINT')).toBe(0)
})

test('a folder of skills is added to the file, or stands alone; a skill twice is a fault', async () => {
  const server = await fakeOrchestrator()
  const signals = new EventEmitter()
  const fixtures = fileURLToPath(new URL('./fixtures/skills', import.meta.url))
  const env = { ORCHESTRATOR_URL: server.url, WORKER_TOKEN: 'shared', WORKER_SKILLS_DIR: fixtures }
  const running = runWorkerFile(echoWorker, { env, signals })
  await until(() => server.parkedPolls() === 1)
  expect(server.registrations[0]?.supported_skills).toEqual(['echo', 'one', 'two'])
  signals.emit('SIGTERM')
  await running
  const alone = runWorkerFile(undefined, { env, signals })
  await until(() => server.registrations.length === 2 && server.parkedPolls() === 1)
  expect(server.registrations[1]?.supported_skills).toEqual(['one', 'two'])
  signals.emit('SIGTERM')
  await alone
  const twice = runWorkerFile(`${fixtures}/one.ts`, { env, signals })
  await expect(twice).rejects.toThrow(/one\.ts defines the skill one, which is there already/)
  await expect(runWorkerFile(undefined, { env: { WORKER_TOKEN: 't' }, signals })).rejects.toThrow(/nothing to run/)
  await expect(
    runWorkerFile(undefined, { env: { WORKER_TOKEN: 't', WORKER_SKILLS_DIR: '/none/such' }, signals }),
  ).rejects.toThrow(/WORKER_SKILLS_DIR can’t be read/)
})

test('second-signal-does-not-wait-for-an-absent-server', async () => {
  const server = await fakeOrchestrator()
  const signals = new EventEmitter()
  const env = { ORCHESTRATOR_URL: server.url, WORKER_TOKEN: 'shared', WORKER_ID: 'me' }
  const running = runWorkerFile(echoWorker, { env, signals })
  await until(() => server.parkedPolls() === 1)
  server.fail('POST', /results$/, { status: 503 }, 1_000_000)
  server.enqueue(aTask())
  await until(() => server.requests.some(({ path }) => path.endsWith('/results')))
  signals.emit('SIGINT')
  await until(() => server.heartbeats.at(-1)?.status === 'draining')
  signals.emit('SIGINT')
  await running
  expect(server.accepted).toEqual([])
})

test.each([
  [notAWorker, { WORKER_TOKEN: 'x' }, 'defineWorker'],
  [echoWorker, {}, 'WORKER_TOKEN'],
  [echoWorker, { WORKER_TOKEN: 'x', MAX_CONCURRENT_TASKS: 'many' }, 'MAX_CONCURRENT_TASKS'],
])('what is wrong is said before anything starts: %s %o', async (path, env, said) => {
  await expect(runWorkerFile(path, { env, signals: new EventEmitter() })).rejects.toThrow(said)
})
