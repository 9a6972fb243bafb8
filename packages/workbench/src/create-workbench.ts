/** A workbench of the stations: each method is one of them, and what must be done now and then is done behind. */
import { randomBytes, randomUUID } from 'node:crypto'
import { AGENT_RUN } from '@tutti/contracts'
import { account } from './budgets/account.ts'
import { spendingBy } from './budgets/used.ts'
import { listBudgets, putOperatorBudget, putOwnBudget } from './budgets/views.ts'
import { createCapabilities } from './capabilities/capabilities.ts'
import { sealAnew } from './capabilities/env-vars.ts'
import { createSealer } from './capabilities/sealer.ts'
import { claim } from './claim/claim.ts'
import { renew } from './claim/renew.ts'
import { start } from './claim/start.ts'
import { interrupt, steer } from './commands/steer.ts'
import { createSession } from './create/create-session.ts'
import { createTask } from './create/create-task.ts'
import type { WorkbenchDeps } from './deps.ts'
import { createEventStore } from './events/store-events.ts'
import { cancelSession, deleteSession } from './finish/cancel.ts'
import { finish } from './finish/finish.ts'
import { sweep } from './finish/sweep.ts'
import { editAndRegenerate, regenerate } from './history/again.ts'
import { branchSession } from './history/branch.ts'
import { createMemories } from './memory/by-people.ts'
import { keepEmbedding } from './memory/embeddings/embed-memories.ts'
import { useMemory } from './memory/of-run.ts'
import { addProjectFile, listProjectFiles, removeProjectFile } from './projects/files.ts'
import { createProject, deleteProject, listProjects, patchProject, readProject } from './projects/projects.ts'
import { deleteItem, listQueue, patchItem, sendNow } from './queue/change-item.ts'
import { findFile, listFiles } from './read/files.ts'
import { listMessageFiles, listMessages, readMessage } from './read/messages.ts'
import { listModelCalls } from './read/model-calls.ts'
import { search } from './read/search.ts'
import { findSession, listRuns, listSessions, readRun, readSession, viewSession } from './read/sessions.ts'
import { changedToolExecutions, listToolExecutions, pictureKey, readToolExecution } from './read/tool-executions.ts'
import { readAnalytics, readUsage } from './read/usage.ts'
import { answerRequest } from './requests/answer.ts'
import { inbox } from './requests/inbox.ts'
import { listRequests, readRequest } from './requests/requests.ts'
import { createScheduledTasks } from './scheduled-tasks/scheduled-tasks.ts'
import { patchSession } from './session/patch.ts'
import { archiveOf } from './snapshots/archive.ts'
import { compareRuns } from './snapshots/compare.ts'
import { createSnapshotReader } from './snapshots/objects.ts'
import { rewindSession } from './snapshots/rewind.ts'
import { follow } from './stream/follow.ts'
import { followUser } from './stream/follow-user.ts'
import { lineFrame, snapshotFrame } from './stream/frames.ts'
import { createHub } from './stream/hub.ts'
import { createLogReader } from './stream/read-log.ts'
import { askTitles } from './titles/ask-titles.ts'
import { SESSION_TITLE } from './titles/session-title-blueprint.ts'
import { keepSweepingUploads } from './uploads/keep-sweeping.ts'
import { dropUpload, storeUpload } from './uploads/store-upload.ts'
import { sweepUploads } from './uploads/sweep-uploads.ts'
import type { WebhookOptions } from './webhooks/of-run.ts'
import type { Workbench, WorkbenchOptions } from './workbench.ts'

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
