import { expect, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import { createWorker, skill, type Worker, type WorkerOptions } from '../../src/index.ts'
import { type FakeOrchestrator, startFakeOrchestrator } from './fake-orchestrator.ts'

/** Waits for a condition; the limit only keeps a broken test from hanging. */
export const until = (condition: () => unknown): Promise<void> =>
  vi.waitFor(() => expect(condition()).toBeTruthy(), { interval: 2, timeout: 20_000 })

export const fakeOrchestrator = async (
  options?: Parameters<typeof startFakeOrchestrator>[0],
): Promise<FakeOrchestrator> => {
  const server = await startFakeOrchestrator(options)
  onTestFinished(async () => {
    await server.close()
    expect(server.unexpected).toEqual([])
  })
  return server
}

export const echo = skill({ params: z.record(z.string(), z.json()), run: (params) => params })

/** A worker that is started and, after the test, stopped. Delays between retries are short unless told. */
export const runningWorker = async (server: { url: string }, options: Partial<WorkerOptions> = {}): Promise<Worker> => {
  const worker = newWorker(server, options)
  await worker.start()
  return worker
}

export const newWorker = (server: { url: string }, options: Partial<WorkerOptions> = {}): Worker => {
  const worker = createWorker({
    url: server.url,
    token: 'a-token',
    id: 'worker-1',
    skills: { echo },
    webSocket: false,
    backoff: { firstMs: 1, maxMs: 5 },
    progressIntervalMs: 1,
    ...options,
  })
  onTestFinished(() => worker.stop().catch(() => {}))
  return worker
}

/** A skill that runs until the test lets it, and tells what its signal said. */
export const gatedSkill = () => {
  const started: string[] = []
  const aborted = new Map<string, unknown>()
  const gates = new Map<string, () => void>()
  return {
    started,
    aborted,
    release: (taskId: string) => gates.get(taskId)?.(),
    skill: skill({
      params: z.looseObject({}),
      run: async (_params, task) => {
        started.push(task.taskId)
        const gate = Promise.withResolvers<void>()
        gates.set(task.taskId, gate.resolve)
        task.signal.addEventListener('abort', () => {
          aborted.set(task.taskId, task.signal.reason)
          gate.reject(task.signal.reason)
        })
        await gate.promise
        return { done: task.taskId }
      },
    }),
  }
}
