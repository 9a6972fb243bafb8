/**
 * What is said to a run while it goes on: single statements. All that write expect the lock of the run's session. A command
 * stays open until the runtime has taken it in, so that one whose manager died reaches the next attempt.
 */
import type { TurnCommand } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'

export interface CommandRow {
  id: string
  run_id: string
  n: number
  type: TurnCommand['type']
  text: string | null
  client_request_id: string | null
  taken_at: Date | null
  /** It came too late for its run, and was made the session's next message. */
  overtaken: boolean
}

export const openCommands = (database: Queryable, runId: string, after = 0): Promise<CommandRow[]> =>
  database.query<CommandRow>(
    'select * from workbench.commands where run_id = $1 and n > $2 and taken_at is null order by n',
    [runId, after],
  )

export const commandOfRequest = async (
  tx: Queryable,
  sessionId: string,
  requestId: string,
): Promise<CommandRow | undefined> => {
  const [row] = await tx.query<CommandRow>(
    'select * from workbench.commands where session_id = $1 and client_request_id = $2',
    [sessionId, requestId],
  )
  return row
}

export const insertCommand = async (
  tx: Queryable,
  run: { id: string; session_id: string },
  command: Pick<CommandRow, 'id' | 'type' | 'text' | 'client_request_id'>,
): Promise<CommandRow> => {
  const [row] = await tx.query<CommandRow>(
    `insert into workbench.commands (id, run_id, session_id, n, type, text, client_request_id)
     select $1, $2, $3, coalesce(max(n), 0) + 1, $4, $5, $6 from workbench.commands where run_id = $2
     returning *`,
    [command.id, run.id, run.session_id, command.type, command.text, command.client_request_id],
  )
  if (!row) throw new Error('PostgreSQL did not answer the command that it stored')
  return row
}

/** The texts of messages of this run that the runtime says it has taken in, by id; none that it has said before. */
export const takeMessages = async (tx: Queryable, runId: string, ids: string[]): Promise<Map<string, string>> => {
  if (ids.length === 0) return new Map()
  // The ids come out of a sandbox: what is no id of a message of its own run is nobody's.
  const rows = await tx.query<Pick<CommandRow, 'id' | 'text'>>(
    `update workbench.commands set taken_at = now()
     where run_id = $1 and id::text = any ($2) and type = 'message' and taken_at is null
     returning id, text`,
    [runId, ids],
  )
  return new Map(rows.map(({ id, text }) => [id, text ?? '']))
}

/** No more are handed out. Answers those that nobody took in. */
export const closeCommands = async (tx: Queryable, runId: string, overtaken: boolean): Promise<CommandRow[]> => {
  const rows = await tx.query<CommandRow>(
    `update workbench.commands set taken_at = now(), overtaken = $2
     where run_id = $1 and taken_at is null returning *`,
    [runId, overtaken],
  )
  return rows.sort((a, b) => a.n - b.n)
}

export const turnCommandOf = ({ id, n, type, text }: CommandRow): TurnCommand =>
  type === 'message' ? { n, type, id, text: text ?? '' } : { n, type }
