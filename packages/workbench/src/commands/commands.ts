/**
 * What is said to a run while it goes on: single statements. All that write expect the lock of the run's session. A command
 * stays open until the runtime has taken it in, and is open again for the next attempt where that one died with it.
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
  /** It stands in the conversation: an attempt that died since then had taken it in. */
  shown: boolean
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

/** The texts of messages of this run that the runtime says it has taken in, by id; none that it, or an attempt before it, has said. */
export const takeMessages = async (
  tx: Queryable,
  run: { id: string; task_id: string | null },
  ids: string[],
): Promise<Map<string, string>> => {
  if (ids.length === 0) return new Map()
  // The ids come out of a sandbox: what is no id of a message of its own run is nobody's.
  const rows = await tx.query<Pick<CommandRow, 'id' | 'text' | 'shown'>>(
    `with open as (
       select id, shown from workbench.commands
       where run_id = $1 and id::text = any ($2) and type = 'message' and taken_at is null
     )
     update workbench.commands command set taken_at = now(), taken_task = $3, shown = true
     from open where command.id = open.id
     returning command.id, command.text, open.shown`,
    [run.id, ids, run.task_id],
  )
  return new Map(rows.filter(({ shown }) => !shown).map(({ id, text }) => [id, text ?? '']))
}

/** What attempts of this task (null: of any) took in, and died with: nobody else has heard it. */
export const reopenMessages = async (tx: Queryable, runId: string, taskId: string | null): Promise<void> => {
  await tx.query(
    `update workbench.commands set taken_at = null
     where run_id = $1 and type = 'message' and ($2::text is null or taken_task = $2)
       and taken_at is not null and not overtaken`,
    [runId, taskId],
  )
}

/**
 * No more are handed out. Answers those that nobody took in.
 * @param pass which become the session's next messages: `new` ones only are those that no attempt had taken in before
 */
export const closeCommands = async (
  tx: Queryable,
  runId: string,
  pass: 'all' | 'new' | 'none',
): Promise<CommandRow[]> => {
  const rows = await tx.query<CommandRow>(
    `update workbench.commands set taken_at = now(), overtaken = $2 = 'all' or ($2 = 'new' and not shown)
     where run_id = $1 and taken_at is null returning *`,
    [runId, pass],
  )
  return rows.sort((a, b) => a.n - b.n)
}

export const turnCommandOf = ({ id, n, type, text }: CommandRow): TurnCommand =>
  type === 'message' ? { n, type, id, text: text ?? '' } : { n, type }
