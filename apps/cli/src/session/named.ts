import { hostname } from 'node:os'
import type { Workbench } from '@tutti/client'
import type { SessionView } from '@tutti/contracts'
import { UsageError } from '../faults.ts'

/** The id of a session as a person names it: `last` is the newest. @throws UsageError where there is none */
export const sessionOf = async ({ sessions }: Workbench, given: string): Promise<string> => {
  if (given !== 'last') return given
  const [newest] = await sessions.list({ limit: 1 })
  if (!newest) throw noneYet()
  return newest.session_id
}

/** What a session that is begun here is told of where that is: the folder, by the name of the machine that it lies on. */
export const originHere = (): string => `${hostname()}:${process.cwd()}`.slice(0, 1024)

export interface Continued {
  session: SessionView
  /** Whether it was begun in this folder; else it is the last of all, wherever that was begun. */
  here: boolean
}

/**
 * The conversation begun in this folder in which something happened last, or where none was, the last of all; none of a schedule's, which
 * nobody is in. @throws UsageError where there is none
 */
export const sessionToContinue = async ({ sessions }: Workbench): Promise<Continued> => {
  const here = lastOf(await sessions.list({ kind: 'chat', origin: originHere() }))
  if (here) return { session: here, here: true }
  const last = lastOf(await sessions.list({ kind: 'chat' }))
  if (!last) throw noneYet()
  return { session: last, here: false }
}

const lastOf = (sessions: readonly SessionView[]): SessionView | undefined =>
  sessions.toSorted((a, b) => (a.updated_at < b.updated_at ? 1 : -1))[0]

const noneYet = (): UsageError => new UsageError('there is no session yet: tutti run "…" begins one')
