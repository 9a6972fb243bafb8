import type { WorkerAuthMode } from './auth/worker/identify.ts'
import type { SignatureMode } from './auth/worker/signature.ts'
import type { Rate } from './http/token-bucket.ts'
import type { WorkerRates } from './worker-api/rates.ts'

/** What the server itself can be told; what the engine can be told stands in its own settings. */
export interface OrchestratorSettings {
  /** How long a worker's request for tasks stays open when it names no time of its own. */
  pollWaitMs: number
  /** Whether each request is logged. */
  accessLog: boolean
  /** Largest request body that is read. */
  bodyLimitBytes: number
  /** Longest time in which a whole request must have arrived. */
  requestTimeoutMs: number
  /** A stream that has nothing to say says so this often, so that proxies keep it open. */
  streamHeartbeatMs: number
  /** A worker's socket that answered no ping for this long is taken to be dead. */
  socketPingMs: number
  /** How long closing waits for open polls, streams and sockets to end by themselves. */
  closeGraceMs: number
  /** Time zone of the instants in answers. */
  timeZone: string
  /** By what workers may say who they are. */
  workerAuthMode: WorkerAuthMode
  /** Whether workers' messages carry an HMAC of their token. */
  workerSignatures: SignatureMode
  /** Whether an event that breaks the schema its worker declared is refused; off, it is logged and taken. */
  strictEvents: boolean
  /** How often a worker may ask; null: as often as it likes. */
  workerRates: WorkerRates | null
  /** How long the short-lived tokens of workers last. */
  accessTokenMs: number
  refreshTokenMs: number
  /** Off: one job is answered in brief. */
  detailedAnswers: boolean
  /** Requests of a client without a rate of its own; null: as many as it likes. */
  clientRate: Rate | null
  /** What /_public/metrics wants as bearer token; empty: nothing. */
  metricsToken: string
  /** Whether webhooks may lead to private addresses. */
  webhookAllowPrivate: boolean
  /** Off: only workers and /_public are answered. */
  enableClientApi: boolean
  /** The path below which the client API is, without slashes at its ends; empty is the root. */
  clientApiPrefix: string
  /** Whether every client may reload the files of the configuration, and not operators alone. */
  reloadWithAnyClient: boolean
}

export const defaultSettings: OrchestratorSettings = {
  accessLog: false,
  pollWaitMs: 30_000,
  bodyLimitBytes: 8 * 1024 * 1024,
  requestTimeoutMs: 60_000,
  streamHeartbeatMs: 15_000,
  socketPingMs: 30_000,
  closeGraceMs: 5_000,
  timeZone: 'UTC',
  workerAuthMode: 'mixed',
  workerSignatures: 'optional',
  strictEvents: true,
  // A worker that works stays far below: polls with a task don't count, and progress of ten tasks comes twice a second each.
  workerRates: { periodMs: 60_000, poll: 600, heartbeat: 600, registration: 120, event: 6000 },
  accessTokenMs: 3_600_000,
  refreshTokenMs: 86_400_000,
  detailedAnswers: true,
  clientRate: null,
  metricsToken: '',
  webhookAllowPrivate: false,
  enableClientApi: true,
  clientApiPrefix: 'api',
  reloadWithAnyClient: false,
}
