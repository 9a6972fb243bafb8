/**
 * The workbench, as the backend sees it. It keeps sessions, runs and messages in PostgreSQL, and leaves to the engine
 * who works on what, and when. Any number of processes may each have one over the same database.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type {
  AccountAnswer,
  AddProjectFile,
  AnswerRequest,
  accountRun,
  BranchSession,
  BudgetView,
  CancelSession,
  ClaimedRun,
  CreateProject,
  CreateSession,
  claimRun,
  createTask as createTaskSchema,
  editMessage,
  finishRun,
  InboxItem,
  InputFile,
  InterruptSession,
  ManifestFile,
  MemoryAnswer,
  MessageView,
  ModelCallView,
  PatchProject,
  PatchQueueItem,
  PatchSession,
  ProjectFileView,
  ProjectView,
  QueueItemView,
  RewindSession,
  RunComparison,
  RunView,
  regenerate as regenerateSchema,
  renewAnswer,
  renewRun,
  runEvents,
  runEventsAnswer,
  runMemory,
  SearchAnswer,
  SessionBranched,
  SessionCanceled,
  SessionFrame,
  SessionInterrupted,
  SessionRewound,
  SessionUsage,
  SessionView,
  Spending,
  SteerAnswer,
  startRun,
  steerSession,
  TaskCreated,
  ToolExecutionView,
  UsageAnalytics,
  UserInputRequestView,
} from '@tutti/contracts'
import { AGENT_RUN } from '@tutti/contracts'
import type { Engine } from '@tutti/engine'
import type { z } from 'zod'
import { account } from './budgets/account.ts'
import type { BudgetSettings } from './budgets/limits.ts'
import { spendingBy } from './budgets/used.ts'
import { listBudgets, type NewBudget, putOperatorBudget, putOwnBudget } from './budgets/views.ts'
import { type Capabilities, createCapabilities } from './capabilities/capabilities.ts'
import { sealAnew } from './capabilities/env-vars.ts'
import { createSealer, type SecretKeys } from './capabilities/sealer.ts'
import { claim } from './claim/claim.ts'
import { renew } from './claim/renew.ts'
import { start } from './claim/start.ts'
import { interrupt, steer } from './commands/steer.ts'
import { createSession } from './create/create-session.ts'
import { createTask } from './create/create-task.ts'
import type { Database } from './database/database.ts'
import type { WorkbenchDeps, WorkbenchLog } from './deps.ts'
import { createEventStore } from './events/store-events.ts'
import { cancelSession, deleteSession } from './finish/cancel.ts'
import { finish } from './finish/finish.ts'
import { sweep } from './finish/sweep.ts'
import { editAndRegenerate, regenerate } from './history/again.ts'
import { branchSession } from './history/branch.ts'
import { createMemories, type Memories } from './memory/by-people.ts'
import { type Embeddings, keepEmbedding } from './memory/embeddings/embed-memories.ts'
import { useMemory } from './memory/of-run.ts'
import { addProjectFile, listProjectFiles, removeProjectFile } from './projects/files.ts'
import { createProject, deleteProject, listProjects, patchProject, readProject } from './projects/projects.ts'
import { deleteItem, listQueue, patchItem, sendNow } from './queue/change-item.ts'
import { type FilesOf, findFile, listFiles } from './read/files.ts'
import { type AfterMessage, listMessageFiles, listMessages, type MessageFiles, readMessage } from './read/messages.ts'
import { listModelCalls } from './read/model-calls.ts'
import { type SearchRequest, search } from './read/search.ts'
import {
  findSession,
  listRuns,
  listSessions,
  readRun,
  readSession,
  type SessionFilter,
  viewSession,
} from './read/sessions.ts'
import {
  changedToolExecutions,
  listToolExecutions,
  pictureKey,
  readToolExecution,
  type ToolCursor,
  type ToolsOf,
} from './read/tool-executions.ts'
import { type AnalyticsRequest, readAnalytics, readUsage } from './read/usage.ts'
import { answerRequest } from './requests/answer.ts'
import { inbox } from './requests/inbox.ts'
import { listRequests, readRequest } from './requests/requests.ts'
import { createScheduledTasks, type ScheduledTasks, type ScheduleStore } from './scheduled-tasks/scheduled-tasks.ts'
import { patchSession } from './session/patch.ts'
import { type Archive, archiveOf } from './snapshots/archive.ts'
import { compareRuns } from './snapshots/compare.ts'
import { createSnapshotReader, type SnapshotObjects } from './snapshots/objects.ts'
import { rewindSession } from './snapshots/rewind.ts'
import { type FollowRequest, follow } from './stream/follow.ts'
import { type FollowUserRequest, followUser } from './stream/follow-user.ts'
import { lineFrame, snapshotFrame } from './stream/frames.ts'
import { createHub } from './stream/hub.ts'
import { createLogReader } from './stream/read-log.ts'
import { askTitles } from './titles/ask-titles.ts'
import { SESSION_TITLE } from './titles/session-title-blueprint.ts'
import { keepSweepingUploads } from './uploads/keep-sweeping.ts'
import { dropUpload, type SentFile, storeUpload } from './uploads/store-upload.ts'
import { sweepUploads } from './uploads/sweep-uploads.ts'
import type { WebhookOptions } from './webhooks/of-run.ts'

export interface Page {
  limit: number
  offset: number
}

/** Methods that name a user answer about that user's own sessions only; a stranger's is not found. */
export interface Workbench {
  /** Null where the workbench was given no store for schedules. */
  readonly scheduledTasks: ScheduledTasks | null
  readonly memories: Memories
  createTask(userId: string, request: z.output<typeof createTaskSchema>): Promise<TaskCreated>
  /** One in which nothing was said yet. @throws TuttiError PROJECT_NOT_FOUND, INVALID_BODY */
  createSession(userId: string, session: CreateSession): Promise<SessionView>
  steer(userId: string, sessionId: string, request: z.output<typeof steerSession>): Promise<SteerAnswer>
  /** `run_id` is null where no run is at work. */
  interrupt(userId: string, sessionId: string, request?: InterruptSession): Promise<SessionInterrupted>
  cancelSession(userId: string, sessionId: string, request?: CancelSession): Promise<SessionCanceled>
  patchSession(userId: string, sessionId: string, patch: PatchSession): Promise<SessionView>
  deleteSession(userId: string, sessionId: string): Promise<void>
  /** A session of its own that goes on from the end of the message's turn. */
  branch(userId: string, sessionId: string, request: BranchSession): Promise<SessionBranched>
  /** The turn again; what came after the user's message is taken back. */
  regenerate(userId: string, sessionId: string, request: z.output<typeof regenerateSchema>): Promise<TaskCreated>
  editMessage(userId: string, sessionId: string, request: z.output<typeof editMessage>): Promise<TaskCreated>

  /** Messages that wait for their turn. */
  queue(userId: string, sessionId: string): Promise<QueueItemView[]>
  patchQueueItem(userId: string, sessionId: string, itemId: string, patch: PatchQueueItem): Promise<QueueItemView>
  deleteQueueItem(userId: string, sessionId: string, itemId: string): Promise<QueueItemView>
  sendQueueItem(userId: string, sessionId: string, itemId: string): Promise<TaskCreated>

  /** A file to be sent with a message, or kept in a project. @throws TuttiError FILES_NOT_ENABLED; whatever its body fails with */
  upload(userId: string, file: SentFile): Promise<InputFile>
  /** Takes back an upload of this request that came to nothing. */
  dropUpload(key: string): Promise<void>

  /** What every run of the project is given. @throws TuttiError PROJECT_NOT_FOUND, FILE_NOT_FOUND, INVALID_BODY */
  projectFiles(userId: string, id: string): Promise<ProjectFileView[]>
  addProjectFile(userId: string, id: string, file: AddProjectFile): Promise<ProjectFileView>
  removeProjectFile(userId: string, id: string, fileId: number): Promise<void>

  projects(userId: string, page: Page): Promise<ProjectView[]>
  project(userId: string, id: string): Promise<ProjectView>
  createProject(userId: string, project: CreateProject): Promise<ProjectView>
  patchProject(userId: string, id: string, patch: PatchProject): Promise<ProjectView>
  deleteProject(userId: string, id: string): Promise<void>

  /** What users and the operator give to agents. */
  readonly capabilities: Capabilities

  /** For managers. Every write is fenced by the lease: @throws TuttiError RUN_NOT_FOUND, LEASE_LOST */
  claim(request: z.output<typeof claimRun>, signal: AbortSignal): Promise<ClaimedRun | null>
  startRun(runId: string, request: z.output<typeof startRun>): Promise<RunView>
  /** @param signal aborted when the manager has gone */
  renewRun(
    runId: string,
    request: z.output<typeof renewRun>,
    signal?: AbortSignal,
  ): Promise<z.output<typeof renewAnswer>>
  storeEvents(runId: string, batch: z.output<typeof runEvents>): Promise<z.output<typeof runEventsAnswer>>
  finishRun(runId: string, request: z.output<typeof finishRun>): Promise<RunView>
  /** What a run has used, and whether its next model call may begin. Use is taken from former holders too. */
  accountRun(runId: string, request: z.output<typeof accountRun>): Promise<AccountAnswer>

  /** What a run's agent asks of its user's memory. @throws TuttiError also FORBIDDEN, MEMORY_NOT_FOUND, MEMORY_FULL */
  useMemory(runId: string, request: z.output<typeof runMemory>): Promise<MemoryAnswer>

  /** The limits that hold for the user, with what counts against them. */
  budgets(userId: string, sessionId: string | undefined): Promise<BudgetView[]>
  putBudget(userId: string, budget: NewBudget & { scope: 'session' | 'user' | 'project' }): Promise<BudgetView[]>
  putOperatorBudget(budget: NewBudget): Promise<BudgetView>
  /** What a session has used in all its runs and their tries. @throws TuttiError SESSION_NOT_FOUND */
  sessionSpending(userId: string, sessionId: string): Promise<Spending | null>
  /** The ledger's lines of a session, newest first. @throws TuttiError SESSION_NOT_FOUND */
  modelCalls(userId: string, sessionId: string, page: Page): Promise<ModelCallView[]>

  /** What agents want of this user, pending and in time; of one session or of all. */
  requests(userId: string, sessionId?: string): Promise<UserInputRequestView[]>
  /** The first answer counts, and wakes the run. @throws TuttiError REQUEST_NOT_FOUND, REQUEST_ANSWERED, REQUEST_EXPIRED, INVALID_BODY */
  answerRequest(
    userId: string,
    requestId: string,
    answer: AnswerRequest,
    /** Who answers in the user's place; else the user. */
    by?: string,
  ): Promise<UserInputRequestView>
  /** One of this user's, in whichever state. @throws TuttiError REQUEST_NOT_FOUND */
  request(userId: string, requestId: string): Promise<UserInputRequestView>
  /** What waits for a decision of this user, oldest first: of agents, and of jobs. */
  inbox(userId: string): Promise<InboxItem[]>

  sessions(userId: string, filter: SessionFilter): Promise<SessionView[]>
  session(userId: string, sessionId: string): Promise<SessionView>
  /** Where the picture of a tool call lies, once there is one; null: there is no such call. @throws TuttiError SESSION_NOT_FOUND, RUN_NOT_FOUND */
  pictureKey(userId: string, of: ToolsOf, toolUseId: string): Promise<string | null>
  /** @throws TuttiError SESSION_NOT_FOUND, RUN_NOT_FOUND, SNAPSHOT_NOT_FOUND, SESSION_BUSY */
  rewind(userId: string, sessionId: string, request: RewindSession): Promise<SessionRewound>
  /** From the workspace of a run to that of another. @throws TuttiError RUN_NOT_FOUND, SNAPSHOT_NOT_FOUND */
  compare(userId: string, runId: string, otherId: string): Promise<RunComparison>
  /** The zip of the files, or of a folder of them; null where there are none at all. @throws as `files`, and FILE_NOT_FOUND */
  archive(userId: string, of: FilesOf, folder: string | null): Promise<Archive | null>
  /** What a run left, or what a session's next run begins with; none before the first snapshot. @throws as `rewind` */
  files(userId: string, of: FilesOf): Promise<readonly ManifestFile[]>
  /** @throws as `files`, and FILE_NOT_FOUND */
  file(userId: string, of: FilesOf, path: string): Promise<ManifestFile>
  messages(userId: string, sessionId: string, page: AfterMessage): Promise<MessageView[]>
  message(userId: string, id: number): Promise<MessageView>
  /** Files that came with messages. */
  messageFiles(userId: string, sessionId: string, page: AfterMessage): Promise<MessageFiles[]>
  toolExecutions(userId: string, sessionId: string, page: Page): Promise<ToolExecutionView[]>
  toolExecutionsOfRun(userId: string, runId: string, page: Page): Promise<ToolExecutionView[]>
  changedToolExecutions(
    userId: string,
    of: ToolsOf,
    page: { after: ToolCursor | null; limit: number },
  ): Promise<ToolExecutionView[]>
  toolExecution(userId: string, id: string): Promise<ToolExecutionView>
  usage(userId: string, sessionId: string): Promise<SessionUsage>
  analytics(userId: string, request: AnalyticsRequest): Promise<UsageAnalytics>
  search(userId: string, request: SearchRequest): Promise<SearchAnswer>
  run(userId: string, runId: string): Promise<RunView>
  runs(userId: string, sessionId: string, page: Page): Promise<RunView[]>
  /** Lines of the session's log after `since`. */
  log(userId: string, sessionId: string, page: { since: number; limit: number }): Promise<SessionFrame[]>
  snapshot(userId: string, sessionId: string): Promise<SessionFrame>
  follow(request: FollowRequest): AsyncGenerator<SessionFrame, void, undefined>
  /** A snapshot of each of the user’s sessions that changes from now on. */
  followUser(request: FollowUserRequest): AsyncGenerator<SessionFrame, void, undefined>

  /** Removes uploads that nothing has named for a day; runs by itself between `start` and `stop`. @returns how many went */
  sweepUploads(): Promise<number>
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
  /** Without: no limits but those that are set later, and months of UTC. */
  budgets?: BudgetSettings
  /** Without: every model. */
  offersModel?: (model: string) => boolean
  /** Where managers store snapshots; without, nothing can be rewound or compared. */
  objects?: SnapshotObjects
  /** The engine's own, where scheduled tasks have their schedules; without, there are none. */
  store?: ScheduleStore
  /** Who is told of runs beside those that their messages name; without, nobody, and every address may be named. */
  webhooks?: WebhookOptions
  /** What secrets are sealed with; without, with a key of this process alone, which no other one and no restart can open. */
  secretKeys?: SecretKeys
  sweepIntervalMs?: number
  /** What gives memories their vectors; without, they are found by their words alone. */
  embeddings?: Embeddings
  /** How long a session's next run is left to the manager that had its last one, while that one has room. */
  headStartMs?: number
}

const noWebhooks: WebhookOptions = { url: null, faultOf: () => null, linkTo: () => null }

/**
 * The database's schema must be there: see `migrate`.
 * @throws Error when the engine has no `agent_run`: every message would be taken, and none ever answered
 */
export const createWorkbench = (options: WorkbenchOptions): Workbench => {
  const { database, engine, log, ownerOf, newId = randomUUID, sweepIntervalMs = 2_000, headStartMs = 2_000 } = options
  const { budgets = { timeZone: 'UTC', defaults: [] }, offersModel = () => true, objects = null } = options
  const snapshots = createSnapshotReader(objects)
  const sealer = createSealer(options.secretKeys ?? { current: randomBytes(32).toString('hex') })
  const deps: WorkbenchDeps = {
    ...{ database, engine, log, ownerOf, newId, budgets, offersModel, snapshots, objects, sealer },
    embeddings: options.embeddings ?? null,
    webhooks: { ...(options.webhooks ?? noWebhooks), store: options.store ?? null },
  }
  if (!engine.blueprints.get(AGENT_RUN.blueprint))
    throw new Error(`the engine needs the blueprint ${AGENT_RUN.blueprint}`)
  // Without it sessions keep the titles that their first messages gave them.
  const titles = engine.blueprints.get(SESSION_TITLE) !== undefined
  const scheduledTasks = options.store === undefined ? null : createScheduledTasks(deps, options.store)
  const hub = createHub({ database, log })
  const readLog = createLogReader(database)
  let timer: NodeJS.Timeout | undefined
  let stopUploads = async (): Promise<void> => {}
  let stopEmbedding = async (): Promise<void> => {}
  let sweeping: Promise<void> = Promise.resolve()
  let stopped = false

  const keepSweeping = (): void => {
    sweeping = Promise.all([sweep(deps), titles ? askTitles(deps) : undefined, scheduledTasks?.sweep()])
      .catch((error: unknown) => log.warn({ err: error }, 'the sweeper could not read its runs; it will try again'))
      .then(() => {
        if (!stopped) timer = setTimeout(keepSweeping, sweepIntervalMs)
      })
  }

  return {
    scheduledTasks,
    createTask: (userId, request) => createTask(deps, userId, request),
    createSession: (userId, session) => createSession(deps, userId, session),
    cancelSession: (userId, sessionId, request = {}) => cancelSession(deps, userId, sessionId, request),
    patchSession: (userId, sessionId, patch) => patchSession(deps, userId, sessionId, patch),
    deleteSession: (userId, sessionId) => deleteSession(deps, userId, sessionId),
    branch: (userId, sessionId, request) => branchSession(deps, userId, sessionId, request),
    regenerate: (userId, sessionId, request) => regenerate(deps, userId, sessionId, request),
    editMessage: (userId, sessionId, request) => editAndRegenerate(deps, userId, sessionId, request),
    queue: (userId, sessionId) => listQueue(deps, userId, sessionId),
    patchQueueItem: (userId, sessionId, itemId, patch) => patchItem(deps, { userId, sessionId, itemId }, patch),
    deleteQueueItem: (userId, sessionId, itemId) => deleteItem(deps, { userId, sessionId, itemId }),
    sendQueueItem: (userId, sessionId, itemId) => sendNow(deps, { userId, sessionId, itemId }),
    upload: (userId, file) => storeUpload(deps, userId, file),
    dropUpload: (key) => dropUpload(deps, key),
    projectFiles: (userId, id) => listProjectFiles(database, userId, id),
    addProjectFile: (userId, id, file) => addProjectFile(database, userId, id, file),
    removeProjectFile: (userId, id, fileId) => removeProjectFile(database, userId, id, fileId),
    projects: (userId, page) => listProjects(database, userId, page),
    project: (userId, id) => readProject(database, userId, id),
    createProject: (userId, project) => createProject(database, userId, newId(), project),
    patchProject: (userId, id, patch) => patchProject(database, userId, id, patch),
    deleteProject: (userId, id) => deleteProject(database, userId, id),
    steer: (userId, sessionId, request) => steer(deps, userId, sessionId, request),
    interrupt: (userId, sessionId, request = {}) => interrupt(deps, userId, sessionId, request),
    capabilities: createCapabilities(deps),
    claim: (request, signal) => claim({ ...deps, hub, affinity: { headStartMs } }, request, signal),
    startRun: (runId, request) => start(deps, runId, request),
    renewRun: (runId, request, signal) => renew({ ...deps, hub }, runId, request, signal),
    storeEvents: createEventStore(deps),
    finishRun: (runId, request) => finish(deps, runId, request),
    accountRun: (runId, request) => account(deps, runId, request),
    useMemory: (runId, request) => useMemory(deps, runId, request),
    memories: createMemories(deps),
    budgets: (userId, sessionId) => listBudgets(deps, userId, sessionId),
    putBudget: (userId, budget) => putOwnBudget(deps, userId, budget),
    putOperatorBudget: (budget) => putOperatorBudget(deps, budget),
    sessionSpending: async (userId, sessionId) => {
      await readSession(database, userId, sessionId)
      return (await spendingBy(database, 'session', sessionId)) ?? null
    },
    modelCalls: (userId, sessionId, page) => listModelCalls(database, userId, sessionId, page),
    requests: (userId, sessionId) => listRequests(database, userId, sessionId),
    answerRequest: (userId, requestId, answer, by = userId) => answerRequest(deps, userId, requestId, answer, by),
    request: (userId, requestId) => readRequest(database, userId, requestId),
    inbox: (userId) => inbox(deps, userId),
    sessions: (userId, filter) => listSessions(database, userId, filter),
    session: (userId, sessionId) => viewSession(database, userId, sessionId),
    messages: (userId, sessionId, page) => listMessages(database, userId, sessionId, page),
    pictureKey: (userId, of, toolUseId) => pictureKey(database, userId, of, toolUseId),
    rewind: (userId, sessionId, request) => rewindSession(deps, userId, sessionId, request),
    compare: (userId, runId, otherId) => compareRuns(deps, userId, runId, otherId),
    archive: (userId, of, folder) => archiveOf(deps, userId, of, folder),
    files: (userId, of) => listFiles(deps, userId, of),
    file: (userId, of, path) => findFile(deps, userId, of, path),
    message: (userId, id) => readMessage(database, userId, id),
    messageFiles: (userId, sessionId, page) => listMessageFiles(database, userId, sessionId, page),
    toolExecutions: (userId, sessionId, page) => listToolExecutions(database, userId, { sessionId }, page),
    toolExecutionsOfRun: (userId, runId, page) => listToolExecutions(database, userId, { runId }, page),
    changedToolExecutions: (userId, of, page) => changedToolExecutions(database, userId, of, page),
    toolExecution: (userId, id) => readToolExecution(database, userId, id),
    analytics: (userId, request) => readAnalytics(database, userId, request),
    usage: (userId, sessionId) => readUsage(database, userId, sessionId),
    search: (userId, request) => search(database, userId, request),
    run: (userId, runId) => readRun(database, userId, runId),
    runs: (userId, sessionId, page) => listRuns(database, userId, sessionId, page),
    log: async (userId, sessionId, { since, limit }) => {
      await readSession(database, userId, sessionId)
      return (await readLog(sessionId, since, limit)).map((line) => lineFrame(sessionId, line))
    },
    snapshot: async (userId, sessionId) => snapshotFrame(sessionId, await findSession(database, userId, sessionId)),
    follow: (request) => follow({ database, hub, readLog }, request),
    followUser: (request) => followUser({ database, hub }, request),
    sweep: () => sweep(deps),
    sweepUploads: () => sweepUploads(deps),
    start: async () => {
      await hub.start()
      const anew = await sealAnew(deps)
      if (anew > 0)
        log.warn({ count: anew }, 'secrets were sealed anew with SECRET_KEY: no older key is needed for them')
      scheduledTasks?.start()
      keepSweeping()
      stopUploads = keepSweepingUploads(deps)
      const { embeddings } = deps
      if (embeddings !== null) stopEmbedding = keepEmbedding({ ...deps, embeddings })
    },
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await Promise.all([sweeping, stopUploads(), stopEmbedding()])
      await hub.stop()
    },
  }
}
