/**
 * What agents use up, and how much they may: between executor manager and backend while a run is at work, and of users who
 * look and set limits.
 */
import { z } from 'zod'
import { tokenUsage } from './agent.ts'
import { instant } from './json.ts'
import { budget } from './task-config.ts'
import { workerId } from './worker.ts'

/** Whose use is added up. `all` is everybody's together. */
export const spendingScope = z.enum(['run', 'session', 'user', 'project', 'all'])
export type SpendingScope = z.infer<typeof spendingScope>

/** `month` is a month of the calendar in the backend's time zone. */
export const budgetPeriod = z.enum(['total', 'month'])
export type BudgetPeriod = z.infer<typeof budgetPeriod>

/** A limit that is reached. `used` and `limit` in the unit of `measure`. */
export const budgetRefusal = z.object({
  scope: spendingScope,
  scope_id: z.string(),
  period: budgetPeriod,
  measure: z.enum(['tokens', 'cost_usd', 'wall_seconds']),
  limit: z.number(),
  used: z.number(),
  /** Whose limit it is: `run`, `owner`, `operator`, or the variable that holds it. */
  set_by: z.string(),
  /** All of it in a sentence. */
  message: z.string(),
})
export type BudgetRefusal = z.infer<typeof budgetRefusal>

/** A model call that is over, however it ended. `cost_usd` is null where nobody has said what the model costs. */
export const endedCall = tokenUsage.extend({
  n: z.int().min(1),
  cost_usd: z.number().nonnegative().nullable(),
  /** Of the provider's answer; 0 where there was none. */
  status: z.int().nonnegative(),
  /** False where the answer broke off: then the numbers are what had come, and an estimate of the rest. */
  complete: z.boolean(),
})
export type EndedCall = z.infer<typeof endedCall>

/**
 * POST /api/v1/runs/{id}/account: what the run has used, and whether its next model call may begin. What is told twice counts
 * once: calls are known by their number within the hand-out, and `wall_ms` is the hand-out's sum.
 */
export const accountRun = z.object({
  worker_id: workerId,
  lease_token: z.string(),
  ended: z.array(endedCall).max(500).default([]),
  /** How long this hand-out has been at work. */
  wall_ms: z.int().nonnegative(),
  begin: z
    .object({
      /** Counts from 1 within the hand-out. */
      n: z.int().min(1),
      model: z.string().min(1).max(200),
      provider: z.string().min(1).max(100),
      /** The most that the call may use. It is held back from every budget until the call ends. */
      most: z.object({
        input_tokens: z.int().nonnegative(),
        output_tokens: z.int().nonnegative(),
        /** Null where the price is not known. */
        cost_usd: z.number().nonnegative().nullable(),
      }),
    })
    .nullable()
    .default(null),
})
export type AccountRun = z.input<typeof accountRun>

export const accountAnswer = z.object({
  /** `wait`: other calls under way may use up what is left; ask again. `stop`: see `refusal`; the turn is over. */
  verdict: z.enum(['go', 'wait', 'stop']),
  refusal: budgetRefusal.nullable(),
  /** How long the run may go on; null: no limit. */
  wall_left_ms: z.number().nullable(),
})
export type AccountAnswer = z.infer<typeof accountAnswer>

export const spending = tokenUsage.extend({ calls: z.int(), cost_usd: z.number(), wall_seconds: z.number() })
export type Spending = z.infer<typeof spending>

/** A line of the ledger: one model call. GET /api/v1/sessions/{id}/model-calls, newest first. */
export const modelCallView = tokenUsage.extend({
  /** Null: the call is not a run's, but the workbench's own. */
  run_id: z.uuid().nullable(),
  /** Which hand-out of the run it belongs to, and its number in that. */
  attempt: z.int(),
  n: z.int(),
  purpose: z.enum(['turn', 'title', 'memory']),
  model: z.string(),
  provider: z.string(),
  /** `lost`: who made it has gone; what it had sent counts. */
  state: z.enum(['open', 'ended', 'lost']),
  cost_usd: z.number().nullable(),
  /** The provider's HTTP status; 0 where there was no answer. */
  status: z.int().nullable(),
  complete: z.boolean().nullable(),
  started_at: instant,
  ended_at: instant.nullable(),
})
export type ModelCallView = z.infer<typeof modelCallView>

/** One limit with what counts against it. `month` names the month where the period is one: `2026-11`. */
export const budgetView = z.object({
  scope: spendingScope,
  scope_id: z.string(),
  period: budgetPeriod,
  month: z.string().nullable(),
  set_by: z.string(),
  limits: budget,
  used: spending,
})
export type BudgetView = z.infer<typeof budgetView>

const target = {
  /** The id of the session or project; the user is the caller. */
  scope_id: z.string().min(1).max(200).optional(),
  period: budgetPeriod.default('total'),
  /** In place of what was set before; without any limit the budget is removed. */
  limits: z.strictObject(budget.shape),
}

/** PUT /api/v1/budgets: a limit of one's own. It can only narrow what the operator allows. */
export const putBudget = z.object({ scope: z.enum(['session', 'user', 'project']), ...target })
export type PutBudget = z.input<typeof putBudget>

/** PUT /api/v1/internal/budgets: the operator's; for one user, session or project it takes the place of the default. */
export const putOperatorBudget = z.object({ scope: z.enum(['session', 'user', 'project', 'all']), ...target })

/** GET /api/v1/models. Names of fields are the wire's. */
export const modelsView = z.object({
  default_model: z.string(),
  model_list: z.array(z.string()),
  mem0_enabled: z.boolean(),
  models: z.array(
    z.object({
      model_id: z.string(),
      display_name: z.string(),
      provider_id: z.string(),
      /** Dollars per million tokens; null where nobody has said. */
      price: z
        .object({ input: z.number(), output: z.number(), cache_write: z.number(), cache_read: z.number() })
        .nullable(),
    }),
  ),
  providers: z.array(
    z.object({
      provider_id: z.string(),
      display_name: z.string(),
      api_key_env_key: z.string().nullable(),
      base_url_env_key: z.string().nullable(),
      credential_state: z.enum(['none', 'system', 'user']),
      default_base_url: z.string().nullable(),
      effective_base_url: z.string(),
      base_url_source: z.enum(['default', 'system']),
      known_models: z.array(z.tuple([z.string(), z.string()])),
      models: z.array(z.string()),
    }),
  ),
})
export type ModelsView = z.infer<typeof modelsView>
