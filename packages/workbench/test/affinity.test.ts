/** A session's runs go to the manager that has its workspace warm, and nobody waits long for one that does not come. */
import type { ClaimedRun } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createStage, finishOf, type Stage } from './support/stage.ts'

let stage: Stage

beforeAll(async () => {
  // Far longer than a test takes: who waits for the end of the head start fails by its time-out.
  stage = await createStage([], { headStartMs: 60_000 })
  await stage.workbench.start()
})
afterAll(() => stage.close())

const finish = (run: ClaimedRun, worker: string) => stage.workbench.finishRun(run.run_id, finishOf(run, {}, worker))

interface Manager {
  name: string
  taken: ClaimedRun[]
  stop(): Promise<void>
}

/** Asks for runs as a manager does: one request after the other, each open until there is a run. */
const manager = (name: string, took: (run: ClaimedRun, name: string) => Promise<void>, process = stage): Manager => {
  const stopped = new AbortController()
  const taken: ClaimedRun[] = []
  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      const run = await process.workbench.claim(
        {
          ...{ worker_id: name, boot_id: name, lease_seconds: 60, wait_seconds: 30 },
          ...{ capacity: 5, schedule_modes: ['immediate'] },
        },
        stopped.signal,
      )
      if (!run) continue
      taken.push(run)
      await took(run, name)
    }
  }
  const looping = loop()
  return {
    name,
    taken,
    stop: async () => {
      stopped.abort()
      await looping
    },
  }
}

test('each-session-stays-with-its-manager-while-others-wait-for-runs-too', async () => {
  // The third over another process: what it leaves and hears goes through the database.
  const other = stage.process()
  await other.workbench.start()
  const managers = [
    manager('a', async (run, name) => void (await finish(run, name))),
    manager('b', async (run, name) => void (await finish(run, name))),
    manager('c', async (run, name) => void (await finish(run, name)), { ...stage, ...other }),
  ]
  const holderOf = (runId: string): string | undefined =>
    managers.find(({ taken }) => taken.some(({ run_id }) => run_id === runId))?.name
  const turn = async (sessionId?: string): Promise<{ session_id: string; worker: string; ms: number }> => {
    const began = performance.now()
    const { run_id, session_id } = await stage.send('turn', sessionId === undefined ? {} : { session_id: sessionId })
    await expect.poll(() => holderOf(run_id), { interval: 1, timeout: 20_000 }).toBeDefined()
    const ms = performance.now() - began
    await expect
      .poll(async () => (await stage.engine.job(run_id, null)).status, { interval: 2, timeout: 20_000 })
      .toBe('finished')
    return { session_id, worker: holderOf(run_id) ?? '', ms }
  }
  const sessions = await Promise.all(Array.from({ length: 6 }, () => turn()))
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const next = await Promise.all(sessions.map(({ session_id }) => turn(session_id)))
    expect(next.map(({ worker }) => worker)).toEqual(sessions.map(({ worker }) => worker))
    times.push(...next.map(({ ms }) => ms))
  }
  if (process.env.TUTTI_TEST_LOG) {
    const sorted = times.sort((a, b) => a - b)
    console.log(`to the warm manager: median ${sorted[15]?.toFixed(1)} ms, longest ${sorted.at(-1)?.toFixed(1)} ms`)
  }
  await Promise.all(managers.map((each) => each.stop()))
})

test('a-manager-without-room-is-not-waited-for', async () => {
  const { session_id } = await stage.send('one')
  const first = await stage.claim('full')
  await finish(first, 'full')
  // Its two places are taken.
  for (const prompt of ['x', 'y']) {
    await stage.send(prompt)
    await stage.claim('full')
  }
  const { run_id } = await stage.send('two', { session_id })
  const taken = await stage.claim('other')
  expect(taken.run_id).toBe(run_id)
  await finish(taken, 'other')
})

test('a-manager-that-has-left-is-not-waited-for', async () => {
  const { session_id } = await stage.send('one')
  await finish(await stage.claim('leaving'), 'leaving')
  await stage.engine.deregister('leaving')
  const { run_id } = await stage.send('two', { session_id })
  const taken = await stage.claim('other')
  expect(taken.run_id).toBe(run_id)
  await finish(taken, 'other')
})

test('a-manager-that-has-room-and-does-not-ask-is-waited-for-no-longer-than-its-head-start', async () => {
  const short = await createStage([], { headStartMs: 200 })
  try {
    await short.workbench.start()
    const { session_id } = await short.send('one')
    const first = await short.claim('silent')
    await short.workbench.finishRun(first.run_id, finishOf(first, {}, 'silent'))
    const { run_id } = await short.send('two', { session_id })
    const taken = await short.claim('other')
    expect(taken.run_id).toBe(run_id)
    const [warm] = await short.database.query('select warm_worker from workbench.sessions where id = $1', [session_id])
    expect(warm).toEqual({ warm_worker: 'other' })
  } finally {
    await short.close()
  }
})

test('a-claim-that-may-not-wait-is-answered-at-once, and the run is the asker’s when the head start is over', async () => {
  const { session_id } = await stage.send('one')
  const first = await stage.claim('absent')
  await finish(first, 'absent')
  const { run_id } = await stage.send('two', { session_id })
  // A head start is 60 s: whoever waited for it would not be answered before the test's time-out.
  expect(await stage.tryClaim('other')).toBeNull()
  expect(await stage.tryClaim('other')).toBeNull()
  await stage.database.query(
    `update workbench.runs set created_at = created_at - interval '1 hour', finished_at = finished_at - interval '1 hour'
     where session_id = $1`,
    [session_id],
  )
  const taken = await stage.claim('other')
  expect(taken.run_id).toBe(run_id)
  await finish(taken, 'other')
})
