/** What turns used up. */
import { z } from 'zod'

export const usageView = z.object({
  input_tokens: z.int(),
  output_tokens: z.int(),
  cache_creation_input_tokens: z.int(),
  cache_read_input_tokens: z.int(),
  cost_usd: z.number(),
  duration_ms: z.int(),
})
export type UsageView = z.infer<typeof usageView>

/** GET /api/v1/sessions/{id}/usage: every number summed over the session's turns. */
export const sessionUsage = z.object({ total_duration_ms: z.int(), usage_json: z.record(z.string(), z.number()) })
export type SessionUsage = z.infer<typeof sessionUsage>

const usageTotals = usageView.extend({ runs: z.int() })
const usageBuckets = z.object({ buckets: z.array(usageTotals.extend({ bucket: z.string() })) })

/** GET /api/v1/usage/analytics: a user's usage, without the copies that branches got. */
export const usageAnalytics = z.object({
  timezone: z.string(),
  month: z.string(),
  day: z.string(),
  summary: z.object({ month: usageTotals, day: usageTotals, all_time: usageTotals }),
  /** A bucket for each day of the month, `YYYY-MM-DD`. */
  month_view: usageBuckets,
  /** A bucket for each hour of the day, by the instant at which it begins. */
  day_view: usageBuckets,
})
export type UsageAnalytics = z.infer<typeof usageAnalytics>
