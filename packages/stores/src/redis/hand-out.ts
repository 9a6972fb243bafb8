/** Tasks in the hands of workers: leasing, prolonging, giving back. */
import type { LeasedTask, TaskRequest } from '@tutti/engine'
import type { TaskBody } from './commit.ts'
import type { RedisConnection } from './connection.ts'
import { keyOf } from './layout.ts'
import type { Run } from './scripts.ts'
import { nameText, parseName, parseNumber } from './text.ts'

type LeaseAnswer = [
  id: string,
  token: string,
  expiresAt: string,
  deadlineAt: string,
  attempt: string,
  visibleAt: string,
  queue: string,
  pickupBy: string,
  body: string,
]

/** The best tasks for each poll, in one round trip. */
export const leaseTasks = async (run: Run, requests: TaskRequest[]): Promise<LeasedTask[][]> => {
  if (requests.length === 0) return []
  const answers = await run<LeaseAnswer[][]>('lease-tasks', [
    crypto.randomUUID(),
    ...requests.flatMap(({ worker, max, leaseMs, queues }) => [
      nameText(worker),
      max,
      leaseMs,
      queues.length,
      ...queues.map(nameText),
    ]),
  ])
  return requests.map(({ worker }, at) => (answers[at] ?? []).map((answer) => leaseOf(answer, worker)))
}

const leaseOf = (answer: LeaseAnswer, worker: string): LeasedTask => {
  const [, token, expiresAt, deadlineAt, attempt, visibleAt, queue, pickupBy, body] = answer
  return {
    task: {
      ...(JSON.parse(body) as TaskBody),
      queue: parseName(queue),
      attempt: Number(attempt),
      visibleAt: Number(visibleAt),
      pickupBy: parseNumber(pickupBy),
    },
    worker,
    token,
    expiresAt: Number(expiresAt),
    deadlineAt: parseNumber(deadlineAt),
  }
}

export const renew = async (
  run: Run,
  { worker, taskIds, leaseMs }: { worker: string; taskIds?: string[]; leaseMs: number },
): Promise<string[]> => {
  const which = taskIds === undefined ? ['all'] : ['named', taskIds.length, ...taskIds.map(nameText)]
  return (await run<string[]>('renew', [nameText(worker), leaseMs, ...which])).map(parseName)
}

export const held = async (
  connection: RedisConnection,
  root: string,
  worker: string,
  taskId: string,
): Promise<string | undefined> => {
  const command = ['HMGET', keyOf(root, 'task', taskId), 'worker', 'token']
  const [holder, token] = (await connection.send(command)) as (string | null)[]
  return holder === nameText(worker) ? (token ?? undefined) : undefined
}

export const release = async (run: Run, leases: [taskId: string, token: string][]): Promise<void> => {
  if (leases.length === 0) return
  await run(
    'release',
    leases.flatMap(([taskId, token]) => [nameText(taskId), token]),
  )
}

export const expireLeases = async (run: Run, worker: string): Promise<void> => {
  await run('expire-leases', [nameText(worker)])
}

export const readQueues = async (run: Run): Promise<string[]> => (await run<string[]>('queues', [])).map(parseName)
