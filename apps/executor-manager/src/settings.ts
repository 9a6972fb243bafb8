/** What the manager decides by itself: bounds and patience that no operator has asked to turn yet. Tests turn them. */
export interface ManagerSettings {
  /** Whether each request to the manager itself is logged. */
  accessLog: boolean
  /** How long one request for a run may wait at the backend: a new run starts at once, an idle manager asks rarely. */
  claimWaitSeconds: number
  /**
   * The longest pause between two renewals. A third of the lease would do for the lease, but a cancellation is heard by
   * renewing, and nobody wants to watch an agent go on for a minute after pressing stop.
   */
  renewEveryMs: number
  /** How long `stop` lets running turns go on. Container hosts kill after 10 s. */
  drainMs: number
  /** Limits of a folder that is copied into a workspace. */
  folderFiles: number
  folderBytes: number
  /** Limits of an export. The list of files travels in one request. */
  exportFiles: number
  exportBytes: number
  /** How often an upload is tried, and how many go on at a time. */
  exportTries: number
  exportParallel: number
  exportPauseMs: number
  /**
   * Models beside the run's own that the agent may ask: `*` stands for any text. The runtime makes small requests of its
   * own with a cheaper model, and sub-agents may name theirs.
   */
  allowedModels: readonly string[]
  /** Largest request to the model; the provider's own limit is 32 MB. */
  modelBodyBytes: number
  /** Requests to the model at a time, from one sandbox: sub-agents work side by side, a loop must not. */
  modelParallel: number
  /** How long the provider may be silent. A model that thinks sends pings every few seconds. */
  modelSilenceMs: number
  /** Largest batch of events: one event may hold a whole file that the agent read. */
  eventBodyBytes: number
  /** How long the executor's request for a turn stays open. */
  turnPollMs: number
}

const mebibyte = 1024 * 1024

export const defaultSettings: ManagerSettings = {
  accessLog: false,
  claimWaitSeconds: 25,
  renewEveryMs: 3_000,
  drainMs: 8_000,
  folderFiles: 50_000,
  folderBytes: 1024 * mebibyte,
  exportFiles: 10_000,
  exportBytes: 4096 * mebibyte,
  exportTries: 4,
  exportParallel: 4,
  exportPauseMs: 250,
  allowedModels: ['claude-*'],
  modelBodyBytes: 32 * mebibyte,
  modelParallel: 16,
  modelSilenceMs: 300_000,
  eventBodyBytes: 48 * mebibyte,
  turnPollMs: 20_000,
}
