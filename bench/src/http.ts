/** The orchestrator over HTTP on loopback: one job alone, and many in batches. Server and load share the machine. */
import { startOrchestrator } from '@tutti/orchestrator'
import { oneTask } from './embedded.ts'
import { type Figure, figure, timed } from './measure.ts'
import { scratchDatabase } from './scratch.ts'

const clientToken = 'bench-client-token-0123456789abcdef'
const workerToken = 'bench-worker-token-0123456789abcdef'

export const http = (quick: boolean): Promise<Figure[]> =>
  scratchDatabase(async (connectionString) => {
    const server = await startOrchestrator(
      {
        ...process.env,
        API_HOST: '127.0.0.1',
        API_PORT: '0',
        DATABASE_URL: connectionString,
        CLIENT_TOKEN: clientToken,
        GLOBAL_WORKER_TOKEN: workerToken,
        LOG_LEVEL: 'ERROR',
      },
      { blueprints: [oneTask] },
    )
    const base = `http://127.0.0.1:${server.port}`
    const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
      const response = await fetch(base + path, {
        method,
        headers: {
          'content-type': 'application/json',
          'x-client-token': clientToken,
          'x-worker-token': workerToken,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      if (response.status === 204) return undefined
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
      return response.json()
    }
    try {
      await call('POST', '/_worker/workers/register', { worker_id: 'bench', supported_skills: ['bench'] })
      return [...(await alone(call, quick)), ...(await batched(call, quick))]
    } finally {
      await server.stop()
    }
  })

type Call = (method: string, path: string, body?: unknown) => Promise<unknown>

interface Task {
  job_id: string
  task_id: string
  attempt: number
  lease_token: string
}

const answer = ({ job_id, task_id, attempt, lease_token }: Task) => ({
  job_id,
  task_id,
  attempt,
  lease_token,
  worker_id: 'bench',
  status: 'success',
  data: {},
})

/** A worker's poll is parked when the job is created: the time until it has the task, and until the job is finished. */
const alone = async (call: Call, quick: boolean): Promise<Figure[]> => {
  const picked: number[] = []
  const whole: number[] = []
  const samples = quick ? 100 : 1_000
  for (let n = 0; n < samples + 50; n += 1) {
    const poll = call('GET', '/_worker/workers/bench/tasks/next?timeout=10') as Promise<Task>
    const before = performance.now()
    await call('POST', '/api/v1/jobs', { blueprint: 'one_task' })
    const task = await poll
    const pickedAt = performance.now()
    await call('POST', '/_worker/tasks/result', answer(task))
    if (n < 50) continue
    picked.push(pickedAt - before)
    whole.push(performance.now() - before)
  }
  return [
    figure('http: create until picked up', 'ms', picked),
    figure('http: one job, create to finished', 'ms', whole),
  ]
}

const batched = async (call: Call, quick: boolean): Promise<Figure[]> => {
  const jobs = quick ? 2_000 : 10_000
  const rates: number[] = []
  for (let round = 0; round < (quick ? 2 : 5); round += 1) {
    const ms = await timed(async () => {
      const create = async (): Promise<void> => {
        for (let n = 0; n < jobs; n += 1_000)
          await call('POST', '/api/v1/jobs/batch', {
            jobs: Array.from({ length: 500 }, () => ({ blueprint: 'one_task' })),
          })
      }
      await Promise.all([create(), create()])
      let done = 0
      const work = async (): Promise<void> => {
        let { tasks } = (await call('GET', '/_worker/workers/bench/tasks/next?max=500&timeout=0')) as { tasks: Task[] }
        while (tasks.length > 0) {
          done += tasks.length
          const body = { worker_id: 'bench', results: tasks.map(answer), next: 500 }
          ;({ tasks } = (await call('POST', '/_worker/tasks/results', body)) as { tasks: Task[] })
        }
      }
      await Promise.all([work(), work(), work(), work()])
      if (done !== jobs) throw new Error(`${jobs} jobs were created and ${done} finished`)
    })
    if (round > 0) rates.push(jobs / (ms / 1000))
  }
  return [figure('http: create, take and finish in batches of 500', 'jobs/s', rates)]
}
