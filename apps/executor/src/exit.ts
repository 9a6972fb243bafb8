/** What the executor's exit code tells the manager. */
export const exitCode = {
  /** No turn will come, or the executor was asked to stop and everything was handed over. */
  done: 0,
  /** Something that a new sandbox with the same input would meet again: a refused token, a missing variable. */
  failed: 1,
  /** Another attempt has taken over; what this one did does not count. */
  replaced: 3,
} as const
