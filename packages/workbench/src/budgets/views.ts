/** What users and operators see of budgets, and set. */
import { type Budget, type BudgetPeriod, type BudgetView, type SpendingScope, TuttiError } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { readSession } from '../read/sessions.ts'
import { type Limit, limitsOf } from './limits.ts'
import { measure } from './measure.ts'
import { everybody, periodNow, spenderOf } from './scopes.ts'
import { spendingOf } from './spent.ts'

/**
 * The limits that hold for a user, and with a session for that session and its project, each with what counts against it.
 * @throws TuttiError SESSION_NOT_FOUND
 */
export const listBudgets = async (
  { database, budgets }: WorkbenchDeps,
  userId: string,
  sessionId: string | undefined,
): Promise<BudgetView[]> => {
  if (sessionId !== undefined) await readSession(database, userId, sessionId)
  const spender = await spenderOf(database, { runId: null, sessionId: sessionId ?? null, userId })
  return viewsOf(database, await limitsOf(database, spender, undefined, budgets), budgets.timeZone)
}

const viewsOf = async (database: Queryable, limits: Limit[], timeZone: string): Promise<BudgetView[]> => {
  const { month: now } = await periodNow(database, timeZone)
  const measured = await measure(database, limits, now)
  return measured.map(({ limit, month, used }) => ({
    ...{ scope: limit.scope, scope_id: limit.scopeId, period: limit.period, month, set_by: limit.setBy },
    ...{ limits: limit.limits, used: spendingOf(used) },
  }))
}

export interface NewBudget {
  scope: Exclude<SpendingScope, 'run'>
  scope_id?: string | undefined
  period: BudgetPeriod
  limits: Budget
}

/**
 * A limit of the user's own: beside the operator's, never in its place.
 * @throws TuttiError SESSION_NOT_FOUND, also for a stranger's; INVALID_BODY
 */
export const putOwnBudget = async (
  deps: WorkbenchDeps,
  userId: string,
  given: NewBudget & { scope: 'session' | 'user' | 'project' },
): Promise<BudgetView[]> => {
  const { database } = deps
  const id = await ownScopeId(database, userId, given)
  await store(database, given, id, 'owner')
  return listBudgets(deps, userId, given.scope === 'session' ? id : undefined)
}

const ownScopeId = async (
  database: Queryable,
  userId: string,
  { scope, scope_id }: { scope: 'session' | 'user' | 'project'; scope_id?: string | undefined },
): Promise<string> => {
  if (scope === 'user') {
    if (scope_id === undefined || scope_id === userId) return userId
    throw new TuttiError('INVALID_BODY', 'A budget of one’s own is for the caller', { path: 'body.scope_id' })
  }
  if (scope_id === undefined || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(scope_id))
    throw new TuttiError('INVALID_BODY', `scope_id must be the id of a ${scope}`, { path: 'body.scope_id' })
  const id = scope_id.toLowerCase()
  if (scope === 'session') await readSession(database, userId, id)
  else {
    const [own] = await database.query<{ id: string }>(
      'select id from workbench.sessions where project_id = $1 and user_id = $2 limit 1',
      [id, userId],
    )
    if (!own)
      throw new TuttiError('INVALID_BODY', 'There is no session of yours in this project', { path: 'body.scope_id' })
  }
  return id
}

/** The operator's limit. @throws TuttiError INVALID_BODY */
export const putOperatorBudget = async (
  { database, budgets }: WorkbenchDeps,
  given: NewBudget,
): Promise<BudgetView> => {
  const id = given.scope === 'all' ? everybody : given.scope_id
  if (id === undefined)
    throw new TuttiError('INVALID_BODY', `scope_id must name the ${given.scope}`, { path: 'body.scope_id' })
  await store(database, given, id, 'operator')
  const limit: Limit = {
    scope: given.scope,
    scopeId: id,
    period: given.period,
    setBy: 'operator',
    limits: given.limits,
  }
  const [view] = await viewsOf(database, [limit], budgets.timeZone)
  if (!view) throw new Error('a limit has no view')
  return view
}

const store = async (
  database: Queryable,
  { scope, period, limits }: NewBudget,
  id: string,
  setBy: 'owner' | 'operator',
): Promise<void> => {
  const { tokens = null, cost_usd = null, wall_seconds = null } = limits
  if (tokens === null && cost_usd === null && wall_seconds === null) {
    await database.query(
      'delete from workbench.budgets where scope = $1 and scope_id = $2 and period = $3 and set_by = $4',
      [scope, id, period, setBy],
    )
    return
  }
  await database.query(
    `insert into workbench.budgets (scope, scope_id, period, set_by, tokens, cost_usd, wall_seconds)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (scope, scope_id, period, set_by) do update
     set tokens = excluded.tokens, cost_usd = excluded.cost_usd, wall_seconds = excluded.wall_seconds, updated_at = now()`,
    [scope, id, period, setBy, tokens, cost_usd, wall_seconds],
  )
}
