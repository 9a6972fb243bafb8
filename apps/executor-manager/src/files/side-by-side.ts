/** Works through the items, `parallel` at a time: they wait for a disk, or for object storage. */

/**
 * One that fails ends the others after the item that each is at, and all have ended before its fault is told: work that went on would
 * touch a workspace that is somebody else's again.
 */
export const sideBySide = async <T>(
  items: Iterable<T>,
  parallel: number,
  work: (item: T) => Promise<void>,
): Promise<void> => {
  const left = items[Symbol.iterator]()
  let failed = false
  const workThrough = async (): Promise<void> => {
    try {
      for (let next = left.next(); !next.done && !failed; next = left.next()) await work(next.value)
    } catch (error) {
      failed = true
      throw error
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: parallel }, workThrough))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
