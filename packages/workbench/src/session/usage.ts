import type { UsageView } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import type { RunRow } from './rows.ts'
import { updateRun } from './runs.ts'

/** Writes down what this attempt of the run has used so far; the run shows the sum of its attempts. */
export const recordUsage = async (tx: Queryable, run: RunRow, usage: UsageView): Promise<void> => {
  await tx.query(
    `insert into workbench.usage_logs (user_id, session_id, run_id, attempt, usage) values ($1, $2, $3, $4, $5)
     on conflict (run_id, attempt) do update set usage = excluded.usage`,
    [run.user_id, run.session_id, run.id, run.attempt, usage],
  )
  const [total] = await tx.query<UsageView>(`select ${usageSums} from workbench.usage_logs where run_id = $1`, [run.id])
  if (total) await updateRun(tx, run, { usage: total })
}

const counted = [
  'input_tokens',
  'output_tokens',
  'cache_creation_input_tokens',
  'cache_read_input_tokens',
  'duration_ms',
] as const

/** Sums over rows of `usage_logs`, one column for each number of a usage. */
export const usageSums = [
  ...counted.map((name) => `coalesce(sum((usage ->> '${name}')::bigint), 0)::bigint as ${name}`),
  `coalesce(sum((usage ->> 'cost_usd')::numeric), 0)::float8 as cost_usd`,
].join(', ')
