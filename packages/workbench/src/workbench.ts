/**
 * The workbench, as the backend sees it. It keeps sessions, runs and messages in PostgreSQL, and leaves to the engine
 * who works on what, and when. Any number of processes may each have one over the same database.
 */
import { randomUUID } from 'node:crypto'
import type {
  ClaimedRun,
  claimRun,
  createTask as createTaskSchema,
  ExportedFile,
  finishRun,
  MessageView,
  RunView,
  renewAnswer,
  renewRun,
  runEvents,
  runEventsAnswer,
  SessionFrame,
  SessionView,
  startRun,
  TaskCreated,
  ToolExecutionView,
} from '@tutti/contracts'
import type { Engine } from '@tutti/engine'
import type { z } from 'zod'
import { AGENT_RUN } from './agent-run-blueprint.ts'
import { claim } from './claim/claim.ts'
import { renew } from './claim/renew.ts'
import { start } from './claim/start.ts'
import { createTask } from './create/create-task.ts'
import type { Database } from './database/database.ts'
import type { WorkbenchDeps, WorkbenchLog } from './deps.ts'
import { storeEvents } from './events/store-events.ts'
import { type CancelAnswer, cancelSession } from './finish/cancel.ts'
import { finish } from './finish/finish.ts'
import { sweep } from './finish/sweep.ts'
import { listFiles } from './read/files.ts'
import { listMessages } from './read/messages.ts'
import { findSession, listRuns, listSessions, readRun, readSession, type SessionFilter } from './read/sessions.ts'
import { listToolExecutions } from './read/tool-executions.ts'
import { sessionView } from './session/rows.ts'
import { type FollowRequest, follow } from './stream/follow.ts'
import { readFrames, snapshotFrame } from './stream/frames.ts'
import { createHub } from './stream/hub.ts'
import { askTitles } from './titles/ask-titles.ts'
import { SESSION_TITLE } from './titles/session-title-blueprint.ts'

export interface Page {
  limit: number
  offset: number
}

/** Methods that name a user answer about that user's own sessions only; a stranger's is not found. */
export interface Workbench {
  createTask(userId: string, request: z.output<typeof createTaskSchema>): Promise<TaskCreated>
  cancelSession(userId: string, sessionId: string, reason: string | null): Promise<CancelAnswer>

  /** For managers. Every write is fenced by the lease: @throws TuttiError RUN_NOT_FOUND, LEASE_LOST */
  claim(request: z.output<typeof claimRun>, signal: AbortSignal): Promise<ClaimedRun | null>
  startRun(runId: string, request: z.output<typeof startRun>): Promise<RunView>
  renewRun(runId: string, request: z.output<typeof renewRun>): Promise<z.output<typeof renewAnswer>>
  storeEvents(runId: string, batch: z.output<typeof runEvents>): Promise<z.output<typeof runEventsAnswer>>
  finishRun(runId: string, request: z.output<typeof finishRun>): Promise<RunView>

  sessions(userId: string, filter: SessionFilter): Promise<SessionView[]>
  session(userId: string, sessionId: string): Promise<SessionView>
  messages(userId: string, sessionId: string, page: { afterId: number; limit: number }): Promise<MessageView[]>
  toolExecutions(userId: string, sessionId: string, page: Page): Promise<ToolExecutionView[]>
  files(userId: string, sessionId: string): Promise<ExportedFile[]>
  run(userId: string, runId: string): Promise<RunView>
  runs(userId: string, sessionId: string, page: Page): Promise<RunView[]>
  /** Lines of the session's log after `since`. */
  log(userId: string, sessionId: string, page: { since: number; limit: number }): Promise<SessionFrame[]>
  snapshot(userId: string, sessionId: string): Promise<SessionFrame>
  follow(request: FollowRequest): AsyncGenerator<SessionFrame, void, undefined>

  /** Compares runs that are due with the engine; runs by itself between `start` and `stop`. */
  sweep(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

export interface WorkbenchOptions {
  database: Database
  engine: Engine
  log: WorkbenchLog
  /** Whose session an agent run becomes that a blueprint's job asked for. */
  ownerOf: (client: string) => string
  newId?: () => string
  sweepIntervalMs?: number
}

/**
 * The database's schema must be there: see `migrate`.
 * @throws Error when the engine has no `agent_run`: every message would be taken, and none ever answered
 */
export const createWorkbench = (options: WorkbenchOptions): Workbench => {
  const { database, engine, log, ownerOf, newId = randomUUID, sweepIntervalMs = 2_000 } = options
  const deps: WorkbenchDeps = { database, engine, log, ownerOf, newId }
  if (!engine.blueprints.get(AGENT_RUN)) throw new Error(`the engine needs the blueprint ${AGENT_RUN}`)
  // Without it sessions keep the titles that their first messages gave them.
  const titles = engine.blueprints.get(SESSION_TITLE) !== undefined
  const hub = createHub({ database, log })
  let timer: NodeJS.Timeout | undefined
  let sweeping: Promise<void> = Promise.resolve()
  let stopped = false

  const keepSweeping = (): void => {
    sweeping = Promise.all([sweep(deps), titles ? askTitles(deps) : undefined])
      .catch((error: unknown) => log.warn({ err: error }, 'the sweeper could not read its runs; it will try again'))
      .then(() => {
        if (!stopped) timer = setTimeout(keepSweeping, sweepIntervalMs)
      })
  }

  return {
    createTask: (userId, request) => createTask(deps, userId, request),
    cancelSession: (userId, sessionId, reason) => cancelSession(deps, userId, sessionId, reason),
    claim: (request, signal) => claim(deps, request, signal),
    startRun: (runId, request) => start(deps, runId, request),
    renewRun: (runId, request) => renew(deps, runId, request),
    storeEvents: (runId, batch) => storeEvents(deps, runId, batch),
    finishRun: (runId, request) => finish(deps, runId, request),
    sessions: (userId, filter) => listSessions(database, userId, filter),
    session: async (userId, sessionId) => sessionView(await readSession(database, userId, sessionId)),
    messages: (userId, sessionId, page) => listMessages(database, userId, sessionId, page),
    toolExecutions: (userId, sessionId, page) => listToolExecutions(database, userId, sessionId, page),
    files: (userId, sessionId) => listFiles(database, userId, sessionId),
    run: (userId, runId) => readRun(database, userId, runId),
    runs: (userId, sessionId, page) => listRuns(database, userId, sessionId, page),
    log: async (userId, sessionId, { since, limit }) => {
      await readSession(database, userId, sessionId)
      return readFrames(database, sessionId, since, limit)
    },
    snapshot: async (userId, sessionId) => snapshotFrame(sessionId, await findSession(database, userId, sessionId)),
    follow: (request) => follow({ database, hub }, request),
    sweep: () => sweep(deps),
    start: async () => {
      await hub.start()
      keepSweeping()
    },
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await sweeping
      await hub.stop()
    },
  }
}
