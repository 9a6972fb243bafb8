/** The orchestrator that is asked, with all that an installation may have, and something in it to ask about. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Server } from './processes.ts'

/** With a task for workers, an approval, and an address of its own whose input is checked. */
const blueprint = {
  ...{ format: 'tutti/v1', name: 'hostile', version: 1, endpoint: '/hostile', start: 'work' },
  input: { type: 'object', properties: { n: { type: 'integer' } } },
  states: {
    work: { dispatch: { skill: 'fuzz.work', params: { n: { $expr: 'input.n' } }, on: { success: 'ask' } } },
    ask: { approval: { message: 'Go on?', on: { approved: 'done', rejected: 'done' } } },
  },
  ends: { done: {} },
}

export const orchestratorEnv = async ({
  root,
  connectionString,
  client,
  worker,
}: Record<'root' | 'connectionString' | 'client' | 'worker', string>): Promise<Record<string, string>> => {
  const blueprints = join(root, 'blueprints')
  await mkdir(blueprints)
  await writeFile(join(blueprints, 'hostile.json'), JSON.stringify(blueprint))
  const clients = join(root, 'clients.toml')
  await writeFile(clients, `[fuzz]\ntoken = "${client}"\nrole = "operator"\n`)
  return {
    ...{ API_HOST: '127.0.0.1', STORAGE: 'postgres', DATABASE_URL: connectionString },
    ...{ CLIENTS_CONFIG_PATH: clients, GLOBAL_WORKER_TOKEN: worker, BLUEPRINTS_DIR: blueprints },
    // Whoever is told to wait, or that there is none, would not reach what is asked.
    ...{ RATE_LIMITING_ENABLED: 'false', WORKER_POLL_TIMEOUT_SECONDS: '0.1' },
    ...{ HISTORY_DATABASE_URI: `sqlite:///${join(root, 'history.sqlite')}`, TASK_FILES_DIR: join(root, 'files') },
  }
}

/** A worker that holds a task, its job, and a schedule. */
export const furnishOrchestrator = async ({ url, headers }: Server): Promise<Record<string, string>> => {
  const ask = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
    const answer = await fetch(url + path, {
      ...{ method, headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${text}`)
    return JSON.parse(text)
  }
  const worker_id = 'fuzzed'
  await ask('POST', '/_worker/workers/register', { worker_id, supported_skills: ['fuzz.work'] })
  await ask('POST', '/api/v1/jobs', { blueprint: 'hostile', input: { n: 1 } })
  const task = await ask('GET', `/_worker/workers/${worker_id}/tasks/next?timeout=10`)
  await ask('PUT', '/api/v1/schedules/yearly', { blueprint: 'hostile', input_data: { n: 1 }, cron: '0 0 1 1 *' })
  return { id: String(task.job_id), task_id: String(task.task_id), worker_id, name: 'hostile', version: '1' }
}
