/** An orchestrator with two clients, an operator and three workers, and what each of them has: made over HTTP. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startOrchestrator } from '@tutti/orchestrator'
import { call } from '../endpoints/call.ts'

export const clientTokens = { anna: 'client-token-of-anna', otto: 'client-token-of-otto', olga: 'client-token-of-olga' }
export const workerTokens = { 'hand-1': 'worker-token-of-hand-1', 'hand-2': 'worker-token-of-hand-2' }
/** Of a worker without a section of its own. */
export const globalWorkerToken = 'worker-token-of-all-others'

export type ClientName = keyof typeof clientTokens
export type WorkerName = keyof typeof workerTokens

/** One that nobody has, of each kind that addresses and bodies name. */
export const missing = {
  job: '6f2a1c84-0000-4000-8000-000000000001',
  task: '6f2a1c84-0000-4000-8000-000000000002',
  delivery: '6f2a1c84-0000-4000-8000-000000000003',
  schedule: 'nobodys-schedule',
  blueprint: 'nobodys-blueprint',
  version: '99',
  file: 'nothing.txt',
  worker: 'nobody',
}
export type Kind = keyof typeof missing
export type Objects = Record<Kind, string>

/** Fields of bodies and queries, and what they name. */
export const kindOfField: Record<string, Kind> = {
  ...{ job_id: 'job', parent_job_id: 'job', forked_from: 'job', schedule_id: 'schedule' },
  ...{ task_id: 'task', worker_id: 'worker', blueprint: 'blueprint' },
}

/** What a parameter of a path names. */
export const kindOfParam = (path: string, param: string): Kind | undefined => {
  if (param === 'id') return path.includes('/deliveries/') ? 'delivery' : 'job'
  if (param === 'name') return path.includes('/blueprints/') ? 'blueprint' : 'schedule'
  const others: Record<string, Kind> = { filename: 'file', worker_id: 'worker', task_id: 'task', version: 'version' }
  return others[param]
}

/** Those that everybody shares, and only an operator changes. */
export const isShared = (kind: Kind): boolean => ['blueprint', 'version', 'worker'].includes(kind)

export interface Installation {
  url: string
  /** @throws Error with the answer, where it is a refusal */
  as(token: string, method: string, path: string, body?: object | string): Promise<unknown>
  close(): Promise<void>
}

/** Registered over the API, so that it may be read and retired. */
const spare = 'spare'

const document = (name: string, states: object, start: string) => ({
  ...{ format: 'tutti/v1', name, version: 1, start, states, ends: { done: {} } },
})
const questions = document(
  'questions',
  { ask: { approval: { message: 'Go on?', on: { approved: 'done', rejected: 'done' } } } },
  'ask',
)
/** Its tasks are for one worker alone: the skill is its name. */
const errands = document(
  'errands',
  { run: { dispatch: { skill: '{{ input.worker }}', params: {}, on: { success: 'done' } } } },
  'run',
)
const notes = { ...document('notes', { begin: { go_to: 'done' } }, 'begin'), endpoint: '/notes' }

export const startInstallation = async (): Promise<Installation> => {
  const root = await mkdtemp(join(tmpdir(), 'tutti-matrix-'))
  const sections = (tokens: object, more = (_: string): string => '') =>
    Object.entries(tokens).map(([name, token]) => `[${name}]\ntoken = "${token}"\n${more(name)}`)
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(root, name), text)
    return join(root, name)
  }
  await file('notes.json', JSON.stringify(notes))
  const orchestrator = await startOrchestrator({
    ...{ STORAGE: 'memory', API_HOST: '127.0.0.1', API_PORT: '0', LOG_LEVEL: 'ERROR' },
    CLIENTS_CONFIG_PATH: await file(
      'clients.toml',
      sections(clientTokens, (name) => `role = "${name === 'olga' ? 'operator' : 'client'}"\n`).join('\n'),
    ),
    WORKERS_CONFIG_PATH: await file('workers.toml', sections(workerTokens).join('\n')),
    SCHEDULES_CONFIG_PATH: await file('schedules.toml', ''),
    GLOBAL_WORKER_TOKEN: globalWorkerToken,
    BLUEPRINTS_DIR: root,
    ...{ RATE_LIMITING_ENABLED: 'false', WEBHOOK_ALLOW_PRIVATE: 'true' },
    ...{ HISTORY_DATABASE_URI: `sqlite:///${join(root, 'history.sqlite')}`, TASK_FILES_DIR: join(root, 'files') },
  })
  const url = `http://127.0.0.1:${orchestrator.port}`
  const as: Installation['as'] = async (token, method, path, body) => {
    const header = path.startsWith('/_worker') ? 'x-worker-token' : 'x-client-token'
    const sent = typeof body === 'object' ? JSON.stringify(body) : body
    const answer = await call(url, {
      ...{ method, path, headers: { [header]: token } },
      ...(sent === undefined ? {} : { body: sent }),
    })
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.text === '' ? null : JSON.parse(answer.text)
  }
  for (const blueprint of [questions, errands, { ...notes, name: spare, endpoint: undefined }])
    await as(clientTokens.olga, 'POST', '/api/v1/blueprints', blueprint)
  for (const [worker_id, token] of Object.entries(workerTokens))
    await as(token, 'POST', '/_worker/workers/register', { worker_id, supported_skills: [worker_id] })
  return {
    ...{ url, as },
    close: async () => {
      await orchestrator.stop()
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** A job that waits for a decision and has a file, a schedule, and a delivery of a job that has ended. */
export const makeOf = async ({ as }: Installation, client: ClientName): Promise<Objects> => {
  const ask = (method: string, path: string, body?: object | string) =>
    as(clientTokens[client], method, `/api/v1${path}`, body) as Promise<Record<string, string>>
  const { job_id = '' } = await ask('POST', '/jobs', { blueprint: 'questions' })
  await ask('PUT', `/jobs/${job_id}/files/content/a.txt`, `of ${client}`)
  const schedule = `yearly-${crypto.randomUUID().slice(0, 8)}`
  await ask('PUT', `/schedules/${schedule}`, { blueprint: 'questions', cron: '0 0 1 1 *' })
  // Nobody listens there: it is tried again for days.
  const told = await ask('POST', '/jobs', { blueprint: 'notes', webhook_url: 'http://127.0.0.1:9/' })
  return {
    ...missing,
    ...{ job: job_id, schedule, file: 'a.txt', blueprint: spare, version: '1', worker: 'hand-1' },
    delivery: await firstDelivery(ask, told.job_id ?? ''),
  }
}

const firstDelivery = async (
  ask: (method: string, path: string) => Promise<unknown>,
  jobId: string,
): Promise<string> => {
  for (;;) {
    const { items } = (await ask('GET', `/webhooks/deliveries?job_id=${jobId}`)) as { items: { id: string }[] }
    if (items[0]) return items[0].id
  }
}

export interface Held {
  worker: string
  job: string
  task: string
  lease: string
}

/** A task in the worker's hands, of a job with a file. */
export const makeHeld = async ({ as }: Installation, worker: WorkerName): Promise<Held> => {
  await as(clientTokens.anna, 'POST', '/api/v1/jobs', { blueprint: 'errands', input: { worker } })
  const task = await as(workerTokens[worker], 'GET', `/_worker/workers/${worker}/tasks/next?timeout=10`)
  const { job_id, task_id, lease_token } = task as Record<string, string>
  await as(clientTokens.anna, 'PUT', `/api/v1/jobs/${job_id}/files/content/a.txt`, 'a file')
  return { worker, job: job_id ?? '', task: task_id ?? '', lease: lease_token ?? '' }
}
