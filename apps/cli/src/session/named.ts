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

/** The conversation in which something happened last; none of a schedule's, which nobody is in. @throws UsageError where there is none */
export const sessionToContinue = async ({ sessions }: Workbench): Promise<SessionView> => {
  const chats = await sessions.list({ kind: 'chat' })
  const last = chats.reduce<SessionView | undefined>(
    (latest, each) => (latest === undefined || each.updated_at > latest.updated_at ? each : latest),
    undefined,
  )
  if (!last) throw noneYet()
  return last
}

const noneYet = (): UsageError => new UsageError('there is no session yet: tutti run "…" begins one')
