/** Gives the tasks and changes of the simulated jobs what blueprints seldom use at once, chosen by their ids: a replay is the same. */
import type { Change, Store, Task } from '@tutti/engine'

export const receipt = 'receipt'

/** A Store whose tasks have limits, fair keys and instants to be picked up by, and each of whose changes brings a record. */
export const spiced = (store: Store, calm: () => boolean): Store => {
  const task = (plain: Task): Task => ({
    ...plain,
    concurrencyLimit: plain.concurrencyKey === null ? 1 : 1 + (digest(plain.concurrencyKey) % 3),
    fairKey: `tenant-${digest(plain.jobId) % 3}`,
    pickupBy: !calm() && digest(plain.id) % 4 === 0 ? store.now() + 500 + (digest(plain.id) % 4_000) : null,
  })
  const change = (plain: Change): Change => ({
    ...plain,
    enqueue: plain.enqueue.map(task),
    records: [
      ...plain.records,
      {
        kind: receipt,
        id: `${plain.job.id}/${plain.job.rev}`,
        owner: plain.job.client,
        ref: plain.job.id,
        rev: 1,
        dueAt: null,
        expiresAt: null,
        body: {},
      },
    ],
  })
  return { ...store, commit: (changes) => store.commit(changes.map(change)) }
}

const digest = (text: string): number => {
  let sum = 0
  for (const char of text) sum = (Math.imul(sum, 31) + (char.codePointAt(0) ?? 0)) >>> 0
  return sum
}
