/** What every batch of events writes, whichever run it is of: rows of messages and tool calls, then the lines that tell of them. */
import type { Queryable } from '../database/database.ts'
import type { SessionLog } from '../session/log.ts'
import { insertMessages, logMessage } from '../session/messages.ts'
import type { MessageRow, RunRow } from '../session/rows.ts'
import { storeToolResults, upsertToolCalls } from '../session/tool-executions.ts'
import type { Projection } from './project.ts'

export interface RunSteps {
  run: Pick<RunRow, 'id' | 'session_id' | 'attempt'>
  projection: Projection
}

/** Of many runs with one statement per kind. @returns the messages stored, of each run */
export const insertRows = async (tx: Queryable, runs: readonly RunSteps[]): Promise<MessageRow[][]> => {
  const rows = await insertMessages(
    tx,
    runs.flatMap(({ run, projection }) =>
      projection.messages.map((message) => ({ session_id: run.session_id, run_id: run.id, ...message })),
    ),
  )
  await upsertToolCalls(
    tx,
    runs.flatMap(({ run, projection }) =>
      projection.toolCalls.map((call) => ({
        ...{ session_id: run.session_id, run_id: run.id, attempt: run.attempt },
        ...call,
      })),
    ),
  )
  await storeToolResults(
    tx,
    runs.flatMap(({ run, projection }) => projection.toolResults.map((result) => ({ run_id: run.id, ...result }))),
  )
  let from = 0
  return runs.map(({ projection }) => {
    const own = rows.slice(from, from + projection.messages.length)
    from += own.length
    return own
  })
}

export const logSteps = (
  log: Pick<SessionLog, 'log' | 'show'>,
  runId: string,
  { steps }: Projection,
  messages: readonly MessageRow[],
): void => {
  for (const step of steps) {
    if (step.kind === 'line') log.log(step.type, step.data, step.entry)
    else if (step.kind === 'chunk') log.show(step.data)
    else {
      const row = messages[step.at]
      if (row) logMessage(log, runId, row, step.entry)
    }
  }
}
