/**
 * POST /api/v1/user-input-requests/{id}/answer. The answer is committed, then the engine is told. A crash between the two is healed by
 * the sweeper: the run is looked at again until its job goes on.
 */
import { type AnswerRequest, type JsonObject, TuttiError, type UserInputRequestView } from '@tutti/contracts'
import type { WorkbenchDeps } from '../deps.ts'
import { changeSession, type SessionChange } from '../session/change-session.ts'
import { plainJson } from '../session/plain-json.ts'
import type { RunRow } from '../session/rows.ts'
import { findRun, updateRun } from '../session/runs.ts'
import { storable } from '../session/storable.ts'
import { readAnswer, ruleFor } from './read-answer.ts'
import { pendingOf, type RequestRow, requestView, showRequests } from './requests.ts'
import { wake } from './wake.ts'

/** How soon the sweeper looks whether the engine has been told. */
const tellCheckMs = 5_000

/**
 * @param by who answers: the user, or whom a link was for
 * @throws TuttiError REQUEST_NOT_FOUND, REQUEST_ANSWERED, REQUEST_EXPIRED, INVALID_BODY
 */
export const answerRequest = async (
  deps: WorkbenchDeps,
  userId: string,
  requestId: string,
  sent: AnswerRequest,
  by: string,
): Promise<UserInputRequestView> => {
  const [found] = await deps.database.query<RequestRow>(
    'select * from workbench.user_input_requests where id = $1 and user_id = $2',
    [requestId, userId],
  )
  if (!found) throw notFound()
  const body = storable(plainJson(sent)) as unknown as AnswerRequest
  const written = await changeSession(deps.database, { sessionId: found.session_id, userId }, (change) =>
    write(change, requestId, body, storable(by)),
  )
  if (!written) throw notFound()
  const { run, last, row } = written
  if (last)
    try {
      await wake(deps, { ...run, parks: row.park })
    } catch (error) {
      // The answer stands; to say otherwise would have the person give it again.
      deps.log.warn({ err: error, run_id: run.id }, 'an answered run could not be woken; the sweeper will')
    }
  return requestView(row)
}

const notFound = (): TuttiError => new TuttiError('REQUEST_NOT_FOUND', 'Request not found')

interface Written {
  run: RunRow
  row: RequestRow
  /** Nothing else of this run waits for an answer. */
  last: boolean
}

const write = async (change: SessionChange, requestId: string, body: AnswerRequest, by: string): Promise<Written> => {
  const { tx } = change
  const [row] = await tx.query<RequestRow & { late: boolean }>(
    `select *, expires_at <= now() as late from workbench.user_input_requests where id = $1`,
    [requestId],
  )
  const run = row && (await findRun(tx, row.run_id))
  if (!row || !run) throw notFound()
  const answer = readAnswer(row, body)
  if (row.status === 'answered') {
    const same = await tx.query('select 1 from workbench.user_input_requests where id = $1 and answer = $2::jsonb', [
      row.id,
      JSON.stringify(answer),
    ])
    if (same.length === 0) throw new TuttiError('REQUEST_ANSWERED', 'Somebody has answered already, and otherwise')
    return { run, row, last: (await pendingOf(tx, run.id)).length === 0 }
  }
  if (row.status === 'expired' || row.late) throw new TuttiError('REQUEST_EXPIRED', 'Nobody waits for this answer now')

  const [stored] = await tx.query<RequestRow>(
    `update workbench.user_input_requests
     set status = 'answered', answered_at = now(), answers = $2, answer = $3, answered_by = $4
     where id = $1 returning *`,
    [row.id, body.answers ?? null, answer, by],
  )
  if (body.remember === true && answer.decision === 'allow') await remember(change, run, ruleFor(row, answer.input))
  const last = (await pendingOf(tx, run.id)).length === 0
  if (run.status === 'waiting') await updateRun(tx, run, {}, { checkInMs: tellCheckMs })
  await showRequests(change)
  return { run, row: stored ?? row, last }
}

/** From here on, in this run and in the session's later ones, the same needs no consent. */
const remember = async (change: SessionChange, run: RunRow, rule: string): Promise<void> => {
  const withRule = (rules: RunRow['config']['permission_rules']): JsonObject => ({
    ...{ ask: [], deny: [], ...rules },
    allow: [...new Set([...(rules?.allow ?? []), rule])].slice(-200),
  })
  const snapshot = (change.session.config_snapshot ?? {}) as RunRow['config']
  change.patch({
    config_snapshot: { ...change.session.config_snapshot, permission_rules: withRule(snapshot.permission_rules) },
  })
  const config = { ...run.config, permission_rules: withRule(run.config.permission_rules) } as RunRow['config']
  await updateRun(change.tx, run, { config })
}
