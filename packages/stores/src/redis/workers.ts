import type { JsonObject } from '@tutti/contracts'
import type { WorkerRecord, WorkerTouch } from '@tutti/engine'
import type { Run } from './scripts.ts'
import { nameText, orEmpty, parseName } from './text.ts'

type WorkerAnswer = [
  id: string,
  bootId: string,
  skills: string,
  registeredAt: string,
  lastSeenAt: string,
  expiresAt: string,
  info: string[],
]

const workerOf = (answer: WorkerAnswer | []): WorkerRecord | undefined => {
  if (answer.length === 0) return undefined
  const [id, bootId, skills, registeredAt, lastSeenAt, expiresAt, info] = answer
  return {
    id: parseName(id),
    bootId: bootId === '' ? null : parseName(bootId),
    skills: JSON.parse(skills) as string[],
    info: parseInfo(info),
    registeredAt: Number(registeredAt),
    lastSeenAt: Number(lastSeenAt),
    expiresAt: Number(expiresAt),
  }
}

/** Names and values by turns, so that Redis lays a heartbeat over what was told before. */
const infoArguments = (info: JsonObject): string[] =>
  Object.entries(info).flatMap(([name, value]) => [nameText(name), JSON.stringify(value)])

const parseInfo = (flat: string[]): JsonObject =>
  Object.fromEntries(
    flat.flatMap((name, at) => (at % 2 === 0 ? [[parseName(name), JSON.parse(flat[at + 1] ?? 'null')]] : [])),
  ) as JsonObject

export const putWorker = async (run: Run, worker: WorkerRecord): Promise<WorkerRecord | undefined> =>
  workerOf(
    await run('put-worker', [
      nameText(worker.id),
      orEmpty(worker.bootId),
      JSON.stringify(worker.skills),
      worker.registeredAt,
      worker.lastSeenAt,
      worker.expiresAt,
      ...infoArguments(worker.info),
    ]),
  )

export const touchWorker = async (run: Run, touch: WorkerTouch): Promise<WorkerRecord | undefined> =>
  workerOf(
    await run('touch-worker', [
      nameText(touch.id),
      touch.skills === undefined ? '' : JSON.stringify(touch.skills),
      touch.lastSeenAt,
      touch.expiresAt,
      ...infoArguments(touch.info),
    ]),
  )

export const removeWorker = async (run: Run, id: string): Promise<void> => {
  await run('remove-worker', [nameText(id)])
}

export const readWorker = async (run: Run, id: string): Promise<WorkerRecord | undefined> =>
  (await run<WorkerAnswer[]>('list-workers', [nameText(id)])).map(workerOf)[0]

export const listWorkers = async (run: Run): Promise<WorkerRecord[]> =>
  (await run<WorkerAnswer[]>('list-workers', [])).flatMap((answer) => workerOf(answer) ?? [])
