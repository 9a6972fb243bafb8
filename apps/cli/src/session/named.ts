import type { Workbench } from '@tutti/client'
import { UsageError } from '../faults.ts'

/** The id of a session as a person names it: `last` is the newest. @throws UsageError where there is none */
export const sessionOf = async ({ sessions }: Workbench, given: string): Promise<string> => {
  if (given !== 'last') return given
  const [newest] = await sessions.list({ limit: 1 })
  if (!newest) throw new UsageError('there is no session yet: tutti run "…" begins one')
  return newest.session_id
}
