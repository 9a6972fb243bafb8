/** What the manager decides by itself: bounds and patience that no operator has asked to turn yet. Tests turn them. */
export interface ManagerSettings {
  /** Milliseconds since the epoch: windows open and close by it. */
  now: () => number
  /** Whether each request to the manager itself is logged. */
  accessLog: boolean
  /** How long one request for a run may wait at the backend: a new run starts at once, an idle manager asks rarely. Not longer: one that a silent backend holds is only given up after it. */
  claimWaitSeconds: number
  /** How long a renewal may wait at the backend for a cancellation or a message; a third of the lease at most. */
  renewWaitMs: number
  /** The pause after a renewal that is answered at once: when the run is cancelled, nothing more is to be waited for. */
  renewEveryMs: number
  /** How long `stop` lets running turns go on. Container hosts kill after 10 s. */
  drainMs: number
  /** Limits of a folder that is copied into a workspace. */
  folderFiles: number
  folderBytes: number
  /** How long one step of fetching a repository may take. */
  repositoryMs: number
  /** Limits of an export. The list of files travels in one request. */
  exportFiles: number
  exportBytes: number
  /** How often an upload is tried, and how many go on at a time. */
  exportTries: number
  exportParallel: number
  exportPauseMs: number
  /** For how long a run waits for an object store that is away, before its turn and after it. */
  objectsAwayMs: number
  /** Largest request to the model; the provider's own limit is 32 MB. */
  modelBodyBytes: number
  /** Requests to the model at a time, from one sandbox: sub-agents work side by side, a loop must not. */
  modelParallel: number
  /** How long the provider may be silent. A model that thinks sends pings every few seconds. */
  modelSilenceMs: number
  /** How often a request that the provider could not serve is sent again, and the first pause before it. */
  modelRetries: number
  modelRetryFirstMs: number
  /** How often a run tells how long it has been at work; the backend names a sooner time where a limit is near. */
  tellEveryMs: number
  /** After a budget is used up: how long the agent may take to say so before its sandbox is closed. */
  haltGraceMs: number
  /** Of what leaves a sandbox for hosts on its list: connections at a time, bytes of a turn, and patience. */
  egressConnections: number
  egressBytes: number
  egressConnectMs: number
  egressIdleMs: number
  /** How long a request to the relay may take to arrive; the largest holds 48 MB. */
  requestMs: number
  /** Largest batch of events: one event may hold a whole file that the agent read. */
  eventBodyBytes: number
  /** How long the executor's request for a turn stays open. */
  turnPollMs: number
}

const mebibyte = 1024 * 1024

export const defaultSettings: ManagerSettings = {
  now: Date.now,
  accessLog: false,
  claimWaitSeconds: 5,
  renewWaitMs: 10_000,
  renewEveryMs: 3_000,
  drainMs: 8_000,
  folderFiles: 50_000,
  folderBytes: 1024 * mebibyte,
  repositoryMs: 600_000,
  exportFiles: 100_000,
  exportBytes: 4096 * mebibyte,
  exportTries: 4,
  exportParallel: 8,
  exportPauseMs: 250,
  objectsAwayMs: 600_000,
  modelBodyBytes: 32 * mebibyte,
  modelParallel: 16,
  modelSilenceMs: 300_000,
  modelRetries: 3,
  modelRetryFirstMs: 500,
  tellEveryMs: 15_000,
  haltGraceMs: 3_000,
  egressConnections: 64,
  egressBytes: 4096 * mebibyte,
  egressConnectMs: 10_000,
  egressIdleMs: 300_000,
  requestMs: 60_000,
  eventBodyBytes: 48 * mebibyte,
  turnPollMs: 20_000,
}
