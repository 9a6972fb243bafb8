/** The workbench API: sessions of agents. */
import { randomUUID } from 'node:crypto'
import {
  type CreateTask,
  envelope,
  type FileNode,
  fileNode,
  type MessageView,
  messageView,
  type RunView,
  runView,
  type SessionFrame,
  type SessionView,
  sessionView,
  type TaskCreated,
  type ToolExecutionView,
  taskCreated,
  toolExecutionView,
} from '@tutti/contracts'
import { type DownloadOptions, download } from './download.ts'
import { type ConnectionOptions, createHttp } from './http.ts'
import type { StreamOptions } from './job-stream.ts'
import { streamSession } from './session-stream.ts'

/** A file of a session's workspace. Its address expires. */
export interface WorkspaceFile {
  /** From the workspace, without a slash at the beginning. */
  path: string
  /** Bytes. */
  size: number
  sha256: string
  key: string
  url: string
}

export interface Workbench {
  tasks: {
    /**
     * Sends a message to a new session, or to the one named. A `client_request_id` is chosen here unless given, so that
     * a repeated try can't start a second run.
     */
    create(task: CreateTask): Promise<TaskCreated>
  }
  sessions: {
    get(id: string): Promise<SessionView>
    /** Newest first; with `job_id` only those whose agent that job asked for. */
    list(filter?: { job_id?: string; limit?: number }): Promise<SessionView[]>
    messages(id: string): Promise<MessageView[]>
    toolExecutions(id: string): Promise<ToolExecutionView[]>
    /** Files of the exported workspace, folder by folder; their addresses expire. */
    files(id: string): Promise<WorkspaceFile[]>
    /** Live frames, resumed by number after lost connections; ends only by leaving the loop or by the signal. */
    stream(id: string, options?: StreamOptions): AsyncIterable<SessionFrame>
  }
  runs: {
    get(id: string): Promise<RunView>
    /** The runs of a session, oldest first. */
    list(sessionId: string): Promise<RunView[]>
  }
  /** Writes a file of `sessions.files` to `target`; its SHA-256 is checked. */
  download(file: Pick<WorkspaceFile, 'url' | 'sha256'>, target: string, options?: DownloadOptions): Promise<void>
}

/** Calls fail with TuttiApiError. */
export const createWorkbench = (options: ConnectionOptions): Workbench => {
  const http = createHttp(options)
  const get = <T>(path: string, schema: { parse(value: unknown): Envelope<T> }): Promise<T> =>
    http.call({ method: 'GET', path: `/api/v1${path}`, answer: inEnvelope(schema) })
  const session = (id: string, rest = '') => `/sessions/${encodeURIComponent(id)}${rest}`

  return {
    tasks: {
      create: (task) =>
        http.call({
          method: 'POST',
          path: '/api/v1/tasks',
          body: { ...task, client_request_id: task.client_request_id ?? randomUUID() },
          repeatable: true,
          answer: inEnvelope(envelope(taskCreated)),
        }),
    },
    sessions: {
      get: (id) => get(session(id), envelope(sessionView)),
      list: (filter = {}) =>
        http.call({
          method: 'GET',
          path: '/api/v1/sessions',
          query: filter,
          answer: inEnvelope(envelope(sessionView.array())),
        }),
      messages: (id) => get(session(id, '/messages'), envelope(messageView.array())),
      toolExecutions: (id) => get(session(id, '/tool-executions'), envelope(toolExecutionView.array())),
      files: async (id) => filesIn(await get(session(id, '/workspace/files'), envelope(fileNode.array()))),
      stream: (id, streamOptions = {}) =>
        streamSession(http, id, () => get(session(id), envelope(sessionView)), streamOptions),
    },
    runs: {
      get: (id) => get(`/runs/${encodeURIComponent(id)}`, envelope(runView)),
      list: (sessionId) => get(`/runs/session/${encodeURIComponent(sessionId)}`, envelope(runView.array())),
    },
    download: (file, target, downloadOptions) => download(http, file, target, downloadOptions),
  }
}

/** The files of a tree, those of a folder behind the files of its folders. */
const filesIn = (nodes: readonly FileNode[]): WorkspaceFile[] =>
  nodes.flatMap(({ path, url, oss_meta, children }) => {
    if (url === undefined || oss_meta === undefined) return filesIn(children ?? [])
    const { size, sha256, key } = oss_meta
    return [{ path: path.slice(1), size, sha256, key, url }]
  })

interface Envelope<T> {
  code: number
  message: string
  data: T | null
}

/** Reads the data out of the envelope. */
const inEnvelope = <T>(schema: { parse(value: unknown): Envelope<T> }) => ({
  parse: (value: unknown): T => {
    const { code, message, data } = schema.parse(value)
    if (code !== 0 || data === null) throw new Error(`${message} (${code})`)
    return data
  },
})
