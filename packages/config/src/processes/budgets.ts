/** How much agents may use where nobody has set another limit. Read by the backend, which decides. */
import { limit, wholeLimit } from '../variables/schemas.ts'
import type { ConfigOf, VariableTable } from '../variables/variable.ts'

const dollars = <Name extends string>(name: Name, whose: string) => ({
  name,
  default: '',
  description: `The most that ${whose} may cost, in dollars. Empty: no limit.`,
  schema: limit,
})

const tokens = <Name extends string>(name: Name, whose: string) => ({
  name,
  default: '',
  description: `The most tokens that ${whose} may use. Empty: no limit.`,
  schema: wholeLimit,
})

const seconds = <Name extends string>(name: Name, whose: string) => ({
  name,
  default: '',
  description: `The most seconds that ${whose} may be at work. Empty: no limit.`,
  schema: limit,
})

const whose = {
  run: 'one run, with all its tries,',
  session: 'one session',
  user: 'one user in a month',
  project: 'one project in a month',
  all: 'everybody together in a month',
}

export const budgetVariables = {
  budgetRunUsd: dollars('BUDGET_RUN_USD', whose.run),
  budgetRunTokens: tokens('BUDGET_RUN_TOKENS', whose.run),
  budgetRunSeconds: seconds('BUDGET_RUN_SECONDS', whose.run),
  budgetSessionUsd: dollars('BUDGET_SESSION_USD', whose.session),
  budgetSessionTokens: tokens('BUDGET_SESSION_TOKENS', whose.session),
  budgetSessionSeconds: seconds('BUDGET_SESSION_SECONDS', whose.session),
  budgetUserMonthUsd: dollars('BUDGET_USER_MONTH_USD', whose.user),
  budgetUserMonthTokens: tokens('BUDGET_USER_MONTH_TOKENS', whose.user),
  budgetUserMonthSeconds: seconds('BUDGET_USER_MONTH_SECONDS', whose.user),
  budgetProjectMonthUsd: dollars('BUDGET_PROJECT_MONTH_USD', whose.project),
  budgetProjectMonthTokens: tokens('BUDGET_PROJECT_MONTH_TOKENS', whose.project),
  budgetProjectMonthSeconds: seconds('BUDGET_PROJECT_MONTH_SECONDS', whose.project),
  budgetMonthUsd: dollars('BUDGET_MONTH_USD', whose.all),
  budgetMonthTokens: tokens('BUDGET_MONTH_TOKENS', whose.all),
  budgetMonthSeconds: seconds('BUDGET_MONTH_SECONDS', whose.all),
} satisfies VariableTable

interface BudgetDefault {
  scope: 'run' | 'session' | 'user' | 'project' | 'all'
  period: 'total' | 'month'
  /** The variable that holds it. */
  variable: string
  limits: { tokens?: number; cost_usd?: number; wall_seconds?: number }
}

/** The limits that are set, one each. */
export const budgetDefaults = (config: ConfigOf<typeof budgetVariables>): BudgetDefault[] =>
  places.flatMap(({ key, scope, period }) => [
    ...one(config, `${key}Usd`, scope, period, 'cost_usd'),
    ...one(config, `${key}Tokens`, scope, period, 'tokens'),
    ...one(config, `${key}Seconds`, scope, period, 'wall_seconds'),
  ])

const places = [
  { key: 'budgetRun', scope: 'run', period: 'total' },
  { key: 'budgetSession', scope: 'session', period: 'total' },
  { key: 'budgetUserMonth', scope: 'user', period: 'month' },
  { key: 'budgetProjectMonth', scope: 'project', period: 'month' },
  { key: 'budgetMonth', scope: 'all', period: 'month' },
] as const

const one = (
  config: ConfigOf<typeof budgetVariables>,
  key: keyof typeof budgetVariables,
  scope: BudgetDefault['scope'],
  period: BudgetDefault['period'],
  measure: keyof BudgetDefault['limits'],
): BudgetDefault[] => {
  const value = config[key]
  return value === null ? [] : [{ scope, period, variable: budgetVariables[key].name, limits: { [measure]: value } }]
}
