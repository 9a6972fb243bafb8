/** The workbench API: sessions of agents. */
import { randomUUID } from 'node:crypto'
import {
  type AnswerRequest,
  type BudgetView,
  budgetView,
  type CreateTask,
  envelope,
  type InputFile,
  inputFile,
  type PutBudget,
  type RunComparison,
  type RunView,
  runComparison,
  runView,
  type TaskCreated,
  taskCreated,
  type UserInputRequestView,
  userInputRequestView,
} from '@tutti/contracts'
import { type DownloadOptions, download } from './download.ts'
import { type ConnectionOptions, createHttp } from './http.ts'
import { createSessions, type SessionsApi } from './sessions.ts'
import { workbenchCalls } from './workbench-calls.ts'
import { filesIn, fileTree, type WorkspaceFile } from './workspace-files.ts'

export interface Workbench {
  tasks: {
    /**
     * Sends a message to a new session, or to the one named. A `client_request_id` is chosen here unless given, so that
     * a repeated try can't start a second run.
     */
    create(task: CreateTask): Promise<TaskCreated>
  }
  sessions: SessionsApi
  attachments: {
    /** Stores a file, byte for byte. What it answers goes into `config.input_files` of a message; what no message names is gone after a day. */
    upload(name: string, content: Blob): Promise<InputFile>
  }
  runs: {
    get(id: string): Promise<RunView>
    /** The runs of a session, oldest first. */
    list(sessionId: string): Promise<RunView[]>
    /** Files as the run left them; their addresses expire. */
    files(id: string): Promise<WorkspaceFile[]>
    /** What became of the files from the end of the one run to the end of the other. */
    compare(id: string, other: string): Promise<RunComparison>
  }
  /** What agents want of a person. */
  requests: {
    /** Those that wait for an answer, oldest first. */
    list(sessionId?: string): Promise<UserInputRequestView[]>
    /** The first answer counts; the same one again is answered the same, another one is refused. */
    answer(id: string, answer: AnswerRequest): Promise<UserInputRequestView>
  }
  budgets: {
    /** Limits that hold for you, with what counts against each; with a session also those that hold for it. */
    list(sessionId?: string): Promise<BudgetView[]>
    /** Sets a limit of one's own; without any limit it is removed. */
    put(budget: PutBudget): Promise<BudgetView[]>
  }
  /** Writes a file of `sessions.files` to `target`; its SHA-256 is checked. */
  download(
    file: Pick<WorkspaceFile, 'url' | 'sha256'> & Partial<Pick<WorkspaceFile, 'executable'>>,
    target: string,
    options?: DownloadOptions,
  ): Promise<void>
}

/** 100 MB over a line of 1 Mbit/s take a quarter of an hour. */
const uploadMs = 3_600_000

/** Calls fail with TuttiApiError. */
export const createWorkbench = (options: ConnectionOptions): Workbench => {
  const http = createHttp(options)
  const { get, all, send } = workbenchCalls(http)
  const run = (id: string, rest = '') => `/runs/${encodeURIComponent(id)}${rest}`

  return {
    tasks: {
      create: (task) =>
        send(
          'POST',
          '/tasks',
          { ...task, client_request_id: task.client_request_id ?? randomUUID() },
          envelope(taskCreated),
          { repeatable: true },
        ),
    },
    sessions: createSessions(http),
    attachments: {
      upload: async (name, content) => {
        const body = new FormData()
        body.append('file', content, name)
        // Tried again, the first one is named by nobody.
        const how = { repeatable: true, timeoutMs: uploadMs }
        return send('POST', '/attachments/upload', body, envelope(inputFile), how)
      },
    },
    runs: {
      get: (id) => get(run(id), envelope(runView)),
      list: (sessionId) => all(`/runs/session/${encodeURIComponent(sessionId)}`, envelope(runView.array())),
      files: async (id) => filesIn(await get(run(id, '/workspace/files'), envelope(fileTree))),
      compare: (id, other) => get(run(id, `/compare/${encodeURIComponent(other)}`), envelope(runComparison)),
    },
    requests: {
      list: (session_id) => get('/user-input-requests', envelope(userInputRequestView.array()), { session_id }),
      answer: (id, answer) =>
        send('POST', `/user-input-requests/${encodeURIComponent(id)}/answer`, answer, envelope(userInputRequestView), {
          repeatable: true,
        }),
    },
    budgets: {
      list: (session_id) => get('/budgets', envelope(budgetView.array()), { session_id }),
      put: (budget) => send('PUT', '/budgets', budget, envelope(budgetView.array())),
    },
    download: (file, target, downloadOptions) => download(http, file, target, downloadOptions),
  }
}
