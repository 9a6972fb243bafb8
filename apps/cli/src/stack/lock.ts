/**
 * One holder of a directory at a time. The kernel holds the lock (through SQLite, which locks files on every system that
 * Node runs on), so it ends with its process however that dies. A file with a process id in it can't do this: two
 * processes that find the same stale file both take it over, and a number that was given out anew holds it for ever.
 */
import { closeSync, existsSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

/** Two that try at the same moment see each other's attempt; the loser steps back and the winner tries once more. */
const takeWithinMs = 1000
const busy = 5

/**
 * The file is never removed: whoever had it open would hold a lock on a file that nobody else can see.
 * @returns what lets go of it, or undefined when another holds it
 */
export const takeLock = (file: string): (() => void) | undefined => {
  // Nobody else may open it: a reader could keep the owner from taking it.
  closeSync(openSync(file, 'a', 0o600))
  const database = new DatabaseSync(file, { timeout: takeWithinMs })
  try {
    database.exec('BEGIN EXCLUSIVE')
    return () => database.close()
  } catch (error) {
    database.close()
    if (isBusy(error)) return undefined
    throw error
  }
}

export const isLocked = (file: string): boolean => {
  if (!existsSync(file)) return false
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    database.prepare('SELECT count(*) FROM sqlite_schema').get()
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw error
  } finally {
    database.close()
  }
}

const isBusy = (error: unknown): boolean => (error as { errcode?: number }).errcode === busy
