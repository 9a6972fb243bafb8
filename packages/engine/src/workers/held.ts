/**
 * How many tasks each worker holds, as far as this instance knows: those that it handed out, until a result comes, the lease ends, or the
 * worker's heartbeat says what is really its own. Only strategies use it; it may be wrong for a while.
 */
export interface Held {
  add(worker: string, taskId: string, expiresAt: number): void
  remove(worker: string, taskIds: Iterable<string>): void
  /** What the Store says the worker holds: of all, or of the `asked` ones. */
  confirm(worker: string, tasks: string[], expiresAt: number, asked?: string[]): void
  forget(worker: string): void
  count(worker: string): number
}

export const createHeld = (now: () => number): Held => {
  const byWorker = new Map<string, Map<string, number>>()
  const held: Held = {
    add: (worker, taskId, expiresAt) => {
      const tasks = byWorker.get(worker) ?? new Map<string, number>()
      byWorker.set(worker, tasks.set(taskId, expiresAt))
    },
    remove: (worker, taskIds) => {
      const tasks = byWorker.get(worker)
      if (!tasks) return
      for (const id of taskIds) tasks.delete(id)
      if (tasks.size === 0) byWorker.delete(worker)
    },
    confirm: (worker, tasks, expiresAt, asked) => {
      if (asked) held.remove(worker, asked)
      else byWorker.delete(worker)
      for (const id of tasks) held.add(worker, id, expiresAt)
    },
    forget: (worker) => {
      byWorker.delete(worker)
    },
    count: (worker) => {
      const tasks = byWorker.get(worker)
      if (!tasks) return 0
      const instant = now()
      held.remove(
        worker,
        [...tasks].filter(([, expiresAt]) => expiresAt <= instant).map(([id]) => id),
      )
      return tasks.size
    },
  }
  return held
}
