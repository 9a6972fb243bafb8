/**
 * All sessions of a user as a stream: a snapshot of each session that changes. It tells what a list of sessions shows, not what
 * is said in them; so a burst of lines is one frame, and a slow reader is shown the newest state and nothing in between.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { SessionFrame } from '@tutti/contracts'
import type { Database } from '../database/database.ts'
import type { SessionRow } from '../session/rows.ts'
import { snapshotFrame } from './frames.ts'
import type { Hub, HubNews } from './hub.ts'

export interface FollowUserRequest {
  userId: string
  signal: AbortSignal
}

/** What changes within this is told once: an agent at work writes many lines a second. */
const gatherMs = 150

/** After a lost connection nobody knows what changed; sessions that changed this recently are told again. */
const mostAfterLoss = 200

export async function* followUser(
  { database, hub }: { database: Database; hub: Hub },
  { userId, signal }: FollowUserRequest,
): AsyncGenerator<SessionFrame, void, undefined> {
  const changed = createChanged(signal)
  const unsubscribe = hub.subscribe({ userId }, changed.put)
  try {
    for (let next = await changed.take(); next !== null; next = await changed.take()) {
      for (const session of await sessionsOf(database, userId, next)) yield snapshotFrame(session.id, session)
    }
  } finally {
    unsubscribe()
  }
}

/** `all`: anything may have changed. */
const sessionsOf = (database: Database, userId: string, which: string[] | 'all'): Promise<SessionRow[]> =>
  which === 'all'
    ? database.query<SessionRow>(
        'select * from workbench.sessions where user_id = $1 order by updated_at desc limit $2',
        [userId, mostAfterLoss],
      )
    : database.query<SessionRow>('select * from workbench.sessions where user_id = $1 and id = any($2::uuid[])', [
        userId,
        which,
      ])

/** The sessions that have changed since they were last taken. Bounded by the number of sessions, not of changes. */
const createChanged = (
  signal: AbortSignal,
): { put: (news: HubNews) => void; take: () => Promise<string[] | 'all' | null> } => {
  const sessions = new Set<string>()
  let all = false
  let wake = (): void => {}
  signal.addEventListener('abort', () => wake(), { once: true })

  return {
    put: (news) => {
      if (news === 'resync') all = true
      // What is only shown live changes no state.
      else if (news.chunk === undefined) sessions.add(news.session_id)
      else return
      wake()
    },
    take: async () => {
      while (!all && sessions.size === 0 && !signal.aborted)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      await delay(gatherMs, undefined, { signal }).catch(() => {})
      if (signal.aborted) return null
      const taken = all ? ('all' as const) : [...sessions]
      all = false
      sessions.clear()
      return taken
    },
  }
}
