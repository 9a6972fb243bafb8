/** The orchestrator's client API. */
import {
  type BlueprintDocument,
  type BlueprintGraph,
  type BlueprintView,
  blueprintGraph,
  blueprintView,
  type Dashboard,
  dashboard,
  type JsonObject,
  jsonObject,
  type QuotaView,
  quotaView,
  type RegisteredBlueprint,
  registeredBlueprint,
  type SkillCatalog,
  skillCatalog,
  type WorkerView,
  workerView,
} from '@tutti/contracts'
import { nothing } from './answers.ts'
import { createHistory, type HistoryApi } from './history.ts'
import { type ConnectionOptions, createHttp } from './http.ts'
import { createJobs, type JobsApi } from './jobs.ts'
import { createSchedules, type SchedulesApi } from './schedules.ts'
import { createWebhooks, type WebhooksApi } from './webhooks.ts'

export interface Client {
  jobs: JobsApi
  schedules: SchedulesApi
  history: HistoryApi
  webhooks: WebhooksApi
  blueprints: {
    list(): Promise<BlueprintView[]>
    graph(name: string, options?: { version?: number | undefined }): Promise<BlueprintGraph>
    /** Registers one that is written as JSON; for operators. The same again changes nothing. */
    register(document: BlueprintDocument): Promise<RegisteredBlueprint>
    /** The document as it was registered. */
    document(name: string, version: number): Promise<JsonObject>
    /** Offers it no longer; jobs that began with it go on. For operators. */
    retire(name: string, version: number): Promise<void>
  }
  workers: {
    list(): Promise<WorkerView[]>
    /** What the fleet can do, by skill. */
    catalog(): Promise<SkillCatalog>
    /** Gives it no further tasks, or with `false` lets it take tasks again; for operators. */
    drain(id: string, drained?: boolean): Promise<WorkerView>
    /** Takes it off the list: its tasks are handed out again at once. For operators. */
    remove(id: string): Promise<void>
  }
  /** Workers, and your jobs by status; an operator's token sees everybody's. */
  dashboard(): Promise<Dashboard>
  /** What is left of the month. */
  quota(): Promise<QuotaView>
  /** Reads a file of the server's configuration again; for operators. */
  reload(file: 'clients' | 'workers' | 'schedules'): Promise<void>
  /** Whether the server can do its work: it fails when the server or its store does not answer. */
  health(): Promise<void>
}

/** Calls fail with TuttiApiError. GETs and everything that carries an id are repeated when that may help. */
export const createClient = (options: ConnectionOptions): Client => {
  const http = createHttp(options)
  const get = <T>(path: string, answer: { parse(value: unknown): T }, query = {}): Promise<T> =>
    http.call({ method: 'GET', path, query, answer })

  const documentPath = (name: string, version: number): string =>
    `/api/v1/blueprints/${encodeURIComponent(name)}/versions/${version}`

  return {
    jobs: createJobs(http),
    schedules: createSchedules(http),
    history: createHistory(http),
    webhooks: createWebhooks(http),
    blueprints: {
      list: () => get('/api/v1/blueprints', blueprintView.array()),
      graph: (name, { version } = {}) =>
        get(`/api/v1/blueprints/${encodeURIComponent(name)}/graph`, blueprintGraph, { format: 'json', version }),
      register: (document) =>
        http.call({
          method: 'POST',
          path: '/api/v1/blueprints',
          body: document,
          repeatable: true,
          answer: registeredBlueprint,
        }),
      document: (name, version) => get(documentPath(name, version), jsonObject),
      retire: (name, version) => http.call({ method: 'DELETE', path: documentPath(name, version), answer: nothing }),
    },
    workers: {
      list: () => get('/api/v1/workers', workerView.array()),
      catalog: () => get('/api/v1/workers/catalog', skillCatalog),
      drain: (id, drained = true) =>
        http.call({
          method: 'POST',
          path: `/api/v1/workers/${encodeURIComponent(id)}/drain`,
          body: { drained },
          repeatable: true,
          answer: workerView,
        }),
      remove: (id) =>
        http.call({ method: 'DELETE', path: `/api/v1/workers/${encodeURIComponent(id)}`, answer: nothing }),
    },
    dashboard: () => get('/api/v1/dashboard', dashboard),
    quota: () => get('/api/v1/quota', quotaView),
    reload: (file) =>
      http.call({ method: 'POST', path: `/api/v1/admin/reload-${file}`, repeatable: true, answer: nothing }),
    health: () => get('/_public/health', nothing),
  }
}
