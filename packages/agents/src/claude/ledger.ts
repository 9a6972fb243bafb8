/**
 * The running totals of a workspace's sessions, kept beside the sessions themselves: so a later sandbox, which has the
 * one, has the other too. It is a record for display; a budget is counted outside, where the agent cannot write.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Loose, record } from '../loose.ts'
import { nothingSpent, type Spent, spentOf } from './spent.ts'

export interface Ledger {
  /** The total of a session; nothing for one that is not known. */
  read(session: string): Promise<Spent>
  write(session: string, total: Spent): Promise<void>
}

export const createLedger = (configDir: string): Ledger => {
  const path = join(configDir, 'tutti-spent.json')
  const load = async (): Promise<Loose> => {
    try {
      return record(JSON.parse(await readFile(path, 'utf8')))
    } catch {
      // Missing or damaged: a turn's cost is then reported too high, which is better than a turn that cannot run.
      return {}
    }
  }
  return {
    read: async (session) => {
      const entry = (await load())[session]
      return entry === undefined ? nothingSpent : spentOf(entry)
    },
    write: async (session, total) => {
      await mkdir(configDir, { recursive: true })
      const entries = { ...(await load()), [session]: total }
      const draft = `${path}.new`
      await writeFile(draft, JSON.stringify(entries))
      await rename(draft, path)
    },
  }
}
