/** Everything a test of the workbench needs: a real PostgreSQL, an engine whose clock the test moves, and managers. */
import type { AgentEvent, ClaimedRun, CreateTask, NumberedAgentEvent, SessionFrame, TokenUsage } from '@tutti/contracts'
import { accountRun, createTask, finishRun, nextNumber } from '@tutti/contracts'
import { type Blueprint, createEngine, type Engine, type Store } from '@tutti/engine'
import { createMemoryStore } from '@tutti/stores'
import { testDatabase } from '@tutti/stores/testing'
import { vi } from 'vitest'
import {
  agentRunBlueprint,
  createDatabase,
  createWorkbench,
  type Database,
  type Workbench,
  type WorkbenchOptions,
} from '../../src/index.ts'

export const user = 'default'

export interface Stage {
  database: Database
  /** Of the engine. */
  store: Store
  engine: Engine
  workbench: Workbench
  /** Another process over the same store and database. `wrap` lets a test break its engine. */
  process(wrap?: (engine: Engine) => Engine): { engine: Engine; workbench: Workbench }
  /** Moves the engine's clock: leases run out, back-offs pass. */
  advance(ms: number): void
  /** The holder of the job's task falls silent: its lease runs out, and the next try may begin. */
  loseLease(jobId: string): Promise<void>
  /** Makes every run due for the sweeper, as time would, and sweeps. */
  sweepAll(workbench?: Workbench): Promise<void>
  /** Where the session is busy, `run_id` is that of the queued message, which its run will have. */
  send(prompt: string, options?: Partial<CreateTask>): Promise<{ session_id: string; run_id: string }>
  claim(worker?: string, workbench?: Workbench): Promise<ClaimedRun>
  /** Null where nothing can be claimed now. */
  tryClaim(worker?: string, workbench?: Workbench, modes?: string[]): Promise<ClaimedRun | null>
  frames(sessionId: string): Promise<SessionFrame[]>
  close(): Promise<void>
}

/** Nobody is waited for, unless the test is about it: most have managers that come and go. */
export const createStage = async (
  blueprints: Blueprint[] = [],
  more: Pick<WorkbenchOptions, 'budgets' | 'embeddings' | 'offersModel' | 'headStartMs' | 'webhooks'> = {},
): Promise<Stage> => {
  const testDb = await testDatabase('workbench')
  const database = createDatabase({ connectionString: testDb.connectionString })
  let offset = 0
  const store = createMemoryStore({ now: () => Date.now() + offset })
  const started: { engine: Engine; workbench: Workbench }[] = []

  const makeProcess: Stage['process'] = (wrap = (engine) => engine) => {
    const engine = createEngine({
      store,
      blueprints: [agentRunBlueprint, ...blueprints],
      // Soon after the test has moved the clock, the engine sees it.
      settings: { safetyIntervalMs: 10 },
    })
    engine.start()
    const workbench = createWorkbench({
      database,
      engine: wrap(engine),
      store,
      log: { warn: () => {} },
      ownerOf: () => user,
      sweepIntervalMs: 3_600_000,
      headStartMs: 0,
      ...more,
    })
    const made = { engine, workbench }
    started.push(made)
    return made
  }

  const first = makeProcess()
  const claim = (
    worker: string,
    workbench: Workbench,
    wait: number,
    modes = ['immediate', 'scheduled'],
  ): Promise<ClaimedRun | null> =>
    workbench.claim(
      {
        worker_id: worker,
        boot_id: `${worker}-boot`,
        lease_seconds: 60,
        wait_seconds: wait,
        schedule_modes: modes,
        capacity: 2,
      },
      new AbortController().signal,
    )
  return {
    database,
    store,
    ...first,
    process: makeProcess,
    advance: (ms) => {
      offset += ms
    },
    loseLease: async (jobId) => {
      const attempt = async (): Promise<number> => {
        const { waiting } = await first.engine.job(jobId, null)
        return waiting?.kind === 'task' ? waiting.task.attempt : 0
      }
      const before = await attempt()
      offset += 61_000
      await vi.waitUntil(async () => (await attempt()) !== before)
      offset += 60_000
    },
    sweepAll: async (workbench = first.workbench) => {
      await database.query('update workbench.runs set check_at = now() where check_at is not null')
      await workbench.sweep()
    },
    send: async (prompt, options = {}) => {
      const { session_id, run_id, queue_item_id } = await first.workbench.createTask(
        user,
        createTask.parse({ prompt, ...options }),
      )
      return { session_id, run_id: run_id ?? queue_item_id ?? '' }
    },
    claim: async (worker = 'manager-1', workbench = first.workbench) => {
      const run = await claim(worker, workbench, 30)
      if (!run) throw new Error('no run could be claimed')
      return run
    },
    tryClaim: (worker = 'manager-1', workbench = first.workbench, modes) => claim(worker, workbench, 0, modes),
    frames: (sessionId) => first.workbench.log(user, sessionId, { since: 0, limit: 10_000 }),
    close: async () => {
      for (const { engine, workbench } of started) {
        await workbench.stop()
        await engine.stop()
      }
      await database.close()
      await testDb.drop()
    },
  }
}

export const holder = (run: ClaimedRun, worker = 'manager-1'): { worker_id: string; lease_token: string } => ({
  worker_id: worker,
  lease_token: run.lease_token,
})

/** @param from the number of the first event that is stored */
export const numbered = (events: AgentEvent[], from = 1): NumberedAgentEvent[] => {
  let n = from - 1
  return events.map((event) => {
    n = nextNumber(n, event)
    return { n, at: 0, event }
  })
}

export const said = (text: string): AgentEvent => ({
  type: 'message',
  role: 'assistant',
  blocks: [{ type: 'text', text }],
  parent_tool_use_id: null,
})

/** What the manager tells of one model call, from its beginning to its end. */
export const spend = async (
  workbench: Workbench,
  run: ClaimedRun,
  usage: TokenUsage & { cost_usd: number; duration_ms: number },
  worker = 'manager-1',
): Promise<void> => {
  const most = { input_tokens: 1, output_tokens: 1, cost_usd: 0 }
  const { duration_ms: wall_ms, ...used } = usage
  const by = holder(run, worker)
  const begin = { n: 1, model: 'm-1', provider: 'p', most }
  await workbench.accountRun(run.run_id, accountRun.parse({ ...by, wall_ms: 0, begin }))
  const ended = [{ ...used, n: 1, status: 200, complete: true }]
  await workbench.accountRun(run.run_id, accountRun.parse({ ...by, wall_ms, ended }))
}

/** The body of a finish by the holder of this claim. */
export const finishOf = (run: ClaimedRun, fields: Record<string, unknown> = {}, worker = 'manager-1') =>
  finishRun.parse({ ...holder(run, worker), attempt: run.attempt, outcome: 'completed', result: 'done', ...fields })
