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
import type { Engine } from '@tutti/engine'
import type { z } from 'zod'
import type { BudgetSettings } from './budgets/limits.ts'
import type { NewBudget } from './budgets/views.ts'
import type { Capabilities } from './capabilities/capabilities.ts'
import type { SecretKeys } from './capabilities/sealer.ts'
import type { Database } from './database/database.ts'
import type { WorkbenchLog } from './deps.ts'
import type { Memories } from './memory/by-people.ts'
import type { Embeddings } from './memory/embeddings/embed-memories.ts'
import type { FilesOf } from './read/files.ts'
import type { AfterMessage, MessageFiles } from './read/messages.ts'
import type { SearchRequest } from './read/search.ts'
import type { SessionFilter } from './read/sessions.ts'
import type { ToolCursor, ToolsOf } from './read/tool-executions.ts'
import type { AnalyticsRequest } from './read/usage.ts'
import type { ScheduledTasks, ScheduleStore } from './scheduled-tasks/scheduled-tasks.ts'
import type { Archive } from './snapshots/archive.ts'
import type { SnapshotObjects } from './snapshots/objects.ts'
import type { FollowRequest } from './stream/follow.ts'
import type { FollowUserRequest } from './stream/follow-user.ts'
import type { SentFile } from './uploads/store-upload.ts'
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
