/** What the backend is told by its configuration. */
export interface BackendSettings {
  /** The address it will listen on: without a token it serves its own machine only. */
  host: string
  /** Whom everything belongs to: there is no log-in yet. */
  userId: string
  /** What users prove themselves with; null: none is set. */
  clientToken: string | null
  /** What executor managers prove themselves with. */
  internalToken: string
  /** Where pages find the API and its WebSockets; null: at their own origin. */
  publicApiUrl: string | null
  publicWsUrl: string | null
  /** Where people reach this backend, and what links for them are signed with; null: none are made. */
  links: { publicUrl: string; secret: string } | null
  /** Whether each request is logged. */
  accessLog: boolean
  /** Origins of web pages that may call, besides the backend's own. */
  corsOrigins: readonly string[]
  /** Where an executor manager answers; empty: nobody is asked. */
  managerUrl: string
  /** How long presigned addresses of files work. */
  presignSeconds: number
  maxUploadBytes: number
  /** Messages bring their files along. */
  taskBodyBytes: number
  /** Batches of events, and lists of exported files. */
  managerBodyBytes: number
  /** A reader that leaves this much unread … */
  maxBufferedBytes: number
  /** … for this long is sent away; it can resume. */
  slowReaderMs: number
  /** Between two pings to each WebSocket; one that does not answer until the next is cut. */
  pingMs: number
  /** How long the head of a request may take to arrive; and how long its body may come too slowly. */
  arrivalMs: number
  /** How long the close waits for requests under way. */
  closeGraceMs: number
}

export type GivenSettings = Pick<BackendSettings, 'host' | 'userId' | 'clientToken' | 'internalToken'> &
  Partial<BackendSettings>

const megabyte = 1_000_000

export const completeSettings = (given: GivenSettings): BackendSettings => ({
  corsOrigins: [],
  managerUrl: '',
  accessLog: false,
  publicApiUrl: null,
  links: null,
  publicWsUrl: null,
  presignSeconds: 300,
  maxUploadBytes: 100 * megabyte,
  taskBodyBytes: 32 * megabyte,
  managerBodyBytes: 64 * megabyte,
  maxBufferedBytes: megabyte,
  slowReaderMs: 10_000,
  pingMs: 30_000,
  arrivalMs: 30_000,
  closeGraceMs: 5_000,
  ...given,
})
