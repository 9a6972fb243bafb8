/** Sessions: conversations with agents and their workspaces. */
import {
  envelope,
  type MessageView,
  messageView,
  type PatchSession,
  type QueueItemView,
  queueItemView,
  type SessionBranched,
  type SessionCanceled,
  type SessionFrame,
  type SessionInterrupted,
  type SessionRewound,
  type SessionUsage,
  type SessionView,
  type Spending,
  type SteerAnswer,
  sessionBranched,
  sessionCanceled,
  sessionInterrupted,
  sessionRewound,
  sessionUsage,
  sessionView,
  spending,
  steerAnswer,
  type ToolExecutionView,
  toolExecutionView,
} from '@tutti/contracts'
import { nothing } from './answers.ts'
import type { Http } from './http.ts'
import type { StreamOptions } from './job-stream.ts'
import { streamSession } from './session-stream.ts'
import { mostOfPage, workbenchCalls } from './workbench-calls.ts'
import { filesIn, fileTree, type WorkspaceFile } from './workspace-files.ts'

export interface SessionFilter {
  /** Those whose agent that job asked for. */
  job_id?: string | undefined
  project_id?: string | undefined
  kind?: 'chat' | 'scheduled' | 'all' | undefined
  /** Those that were begun with this `origin`. */
  origin?: string | undefined
  limit?: number | undefined
  offset?: number | undefined
}

export interface SessionsApi {
  get(id: string): Promise<SessionView>
  /** Newest first: one page, of 100 unless said otherwise. */
  list(filter?: SessionFilter): Promise<SessionView[]>
  /** All of them, or those after a message, oldest first. */
  messages(id: string, options?: { after?: number | undefined }): Promise<MessageView[]>
  /** All calls of tools, oldest first. */
  toolExecutions(id: string): Promise<ToolExecutionView[]>
  /** Files of the exported workspace; their addresses expire. */
  files(id: string): Promise<WorkspaceFile[]>
  /** Live frames, resumed by number after lost connections; ends only by leaving the loop or by the signal. */
  stream(id: string, options?: StreamOptions): AsyncIterable<SessionFrame>
  /** Says something to the agent while it works; where it does not, an ordinary message. */
  steer(id: string, prompt: string): Promise<SteerAnswer>
  /**
   * Stops what the agent does now; messages that wait are taken up. `run_id` is null where nothing was at work.
   * @param options.runId only this run: where it has ended, what is at work by then goes on, and this fails with RUN_NOT_CURRENT
   */
  interrupt(id: string, options?: { runId?: string }): Promise<SessionInterrupted>
  /** Stops the turn, and drops messages and questions that wait. @param options.runId as of `interrupt` */
  cancel(id: string, options?: { reason?: string | undefined; runId?: string }): Promise<SessionCanceled>
  /** A session of its own from the end of that message's turn. */
  branch(id: string, from: { message_id: number }): Promise<SessionBranched>
  /** The files as that run left them; the conversation stays. */
  rewind(id: string, runId: string): Promise<SessionRewound>
  /** Messages that wait for their turn, in their order. */
  queue(id: string): Promise<QueueItemView[]>
  /** Changes title, project, pin and configuration. */
  update(id: string, changes: PatchSession): Promise<SessionView>
  /** What the session's turns have used. */
  usage(id: string): Promise<SessionUsage>
  /** What counts against budgets: every model call, also of turns that failed or were taken back. Null before the first. */
  spending(id: string): Promise<Spending | null>
  /** Stops its turn and takes it out of every list. */
  remove(id: string): Promise<void>
}

export const createSessions = (http: Http): SessionsApi => {
  const calls = workbenchCalls(http)
  const { once } = calls
  const path = (id: string, rest = '') => `/sessions/${encodeURIComponent(id)}${rest}`
  const get = (id: string): Promise<SessionView> => calls.get(path(id), envelope(sessionView))
  return {
    get,
    list: (filter = {}) => calls.get('/sessions', envelope(sessionView.array()), { ...filter }),
    messages: async (id, { after = 0 } = {}) => {
      const found: MessageView[] = []
      for (let from = after; ; from = found.at(-1)?.id ?? from) {
        const query = { after_message_id: from, limit: mostOfPage }
        const page = await calls.get(path(id, '/messages'), envelope(messageView.array()), query)
        found.push(...page)
        if (page.length < mostOfPage) return found
      }
    },
    toolExecutions: (id) => calls.all(path(id, '/tool-executions'), envelope(toolExecutionView.array())),
    files: async (id) => filesIn(await calls.get(path(id, '/workspace/files'), envelope(fileTree))),
    stream: (id, options = {}) => streamSession(http, id, () => get(id), options),
    steer: (id, prompt) => once(path(id, '/messages/steer'), { prompt }, envelope(steerAnswer)),
    interrupt: (id, { runId: run_id } = {}) => once(path(id, '/interrupt'), { run_id }, envelope(sessionInterrupted)),
    cancel: (id, { reason, runId: run_id } = {}) =>
      once(path(id, '/cancel'), { reason, run_id }, envelope(sessionCanceled)),
    branch: (id, from) => once(path(id, '/branch'), from, envelope(sessionBranched)),
    rewind: (id, run_id) => once(path(id, '/rewind'), { run_id }, envelope(sessionRewound)),
    queue: (id) => calls.get(path(id, '/queued-queries'), envelope(queueItemView.array())),
    update: (id, changes) => calls.send('PATCH', path(id), changes, envelope(sessionView)),
    usage: (id) => calls.get(path(id, '/usage'), envelope(sessionUsage)),
    spending: async (id) => {
      const answer = envelope(spending)
      return (await http.call({ method: 'GET', path: `/api/v1${path(id, '/spending')}`, answer })).data
    },
    remove: (id) => http.call({ method: 'DELETE', path: `/api/v1${path(id)}`, answer: nothing }),
  }
}
