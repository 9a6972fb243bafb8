/** A job that is cancelled in the engine, as a schedule's `cancel_old` and whoever may see the job do: its run ends with it. */
import { AGENT_RUN, type AgentEvent, type ClaimedRun, renewRun } from '@tutti/contracts'
import { blueprint } from '@tutti/engine'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createStage, finishOf, holder, numbered, type Stage, user } from './support/stage.ts'

const asks = blueprint({ name: 'asks' })
  .state('write', { start: true, to: ['done'] }, ({ agent }) =>
    agent({ prompt: 'write', attended: true, on: { success: 'done' } }),
  )
  .end('done')

let stage: Stage
beforeAll(async () => {
  stage = await createStage([asks])
  await stage.workbench.start()
})
afterAll(() => stage.close())

const cancel = (id: string) => stage.engine.cancel(id, null, 'schedule', 'the next one is due')
const status = async ({ run_id }: { run_id: string }) => (await stage.workbench.run(user, run_id)).status
/** As the engine's schedules make one: nothing of it is written down before it is claimed. */
const due = async (): Promise<ClaimedRun> => {
  const input = { prompt: 'hello', attended: true }
  await stage.engine.create([{ blueprint: AGENT_RUN.blueprint, client: user, input }])
  return stage.claim()
}

test('the holder hears of it at once, and the run is canceled', async () => {
  const run = await due()
  const renewal = renewRun.parse({ ...holder(run), lease_seconds: 60, wait_seconds: 30, commands_after: 0 })
  const heard = stage.workbench.renewRun(run.run_id, renewal)
  await cancel(run.job_id)
  expect(await heard).toMatchObject({ held: false, cancel: true })
  expect(await status(run)).toBe('canceled')
})

test('a run that waits for a person is canceled, and nobody is asked any more', async () => {
  const run = await due()
  const usage = { input_tokens: 0, output_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }
  const events: AgentEvent[] = [
    { type: 'request', kind: 'permission', tool_use_id: 'q', tool_name: 'Bash', input: { command: 'ls' } },
    {
      ...{ type: 'parked', reason: 'input', until: null, agent_session_id: 'sdk', turns: 1, duration_ms: 5 },
      ...{ usage, cost_usd: 0 },
    },
  ]
  await stage.workbench.storeEvents(run.run_id, { ...holder(run), attempt: run.attempt, events: numbered(events) })
  const park = { reason: 'input', until: null }
  await stage.workbench.finishRun(run.run_id, finishOf(run, { outcome: 'parked', park }))
  expect(await stage.workbench.requests(user)).toHaveLength(1)
  await cancel(run.job_id)
  await stage.sweepAll()
  await vi.waitFor(async () => expect(await status(run)).toBe('canceled'))
  expect(await stage.workbench.requests(user)).toEqual([])
})

test('so is that of a blueprint’s agent, which is a job of its own', async () => {
  const [job] = await stage.engine.create([{ blueprint: 'asks', client: user, input: {} }])
  const run = await stage.claim()
  expect(run.job_id).not.toBe(job?.id)
  await cancel(job?.id ?? '')
  const renewal = renewRun.parse({ ...holder(run), lease_seconds: 60, wait_seconds: 30, commands_after: 0 })
  expect(await stage.workbench.renewRun(run.run_id, renewal)).toMatchObject({ held: false, cancel: true })
  expect(await status(run)).toBe('canceled')
})

test('a run that waits for its turn is canceled', async () => {
  const { run_id } = await stage.send('later')
  await cancel(run_id)
  await stage.sweepAll()
  expect(await status({ run_id })).toBe('canceled')
  expect(await stage.tryClaim()).toBeNull()
})
