/** Webhooks as the client API shows them: deliveries, what became of them, and the secret that they are signed with. */
import { z } from 'zod'
import { instant, jsonObject } from './json.ts'

export const webhookDelivery = z.object({
  /** The header webhook-id of every try. */
  id: z.string(),
  job_id: z.uuid().nullable(),
  event: z.string(),
  url: z.string(),
  state: z.enum(['pending', 'delivered', 'failed']),
  next_attempt_at: instant.nullable(),
  attempts: z.array(
    z.object({
      at: instant,
      duration_ms: z.number(),
      /** HTTP status; null when there was no answer. */
      status: z.int().nullable(),
      error: z.string().nullable(),
    }),
  ),
  payload: jsonObject,
})
export type WebhookDelivery = z.infer<typeof webhookDelivery>

/** GET /api/v1/webhooks/deliveries, newest first. */
export const listDeliveries = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(300).optional(),
  job_id: z.uuid().optional(),
})
export const deliveryPage = z.object({ items: z.array(webhookDelivery), next_cursor: z.string().nullable() })

export type DeliveryPage = z.infer<typeof deliveryPage>

/** The newest first; for a day after a change the former one signs along. */
export const webhookSecrets = z.object({ secrets: z.array(z.string()) })

/** GET /api/v1/quota */
export const quotaView = z.object({
  plan: z.string().nullable(),
  /** Jobs that may be created in a calendar month; null: any number. */
  monthly_attempts: z.int().nullable(),
  used: z.int().nullable(),
  remaining: z.int().nullable(),
  /** When the next month begins. */
  resets_at: instant,
})
export type QuotaView = z.infer<typeof quotaView>

/** GET /api/v1/dashboard */
export const dashboard = z.object({
  workers: z.object({ total: z.int() }),
  /** `queued`: tasks that wait for a worker; the rest is jobs by status. */
  jobs: z.record(z.string(), z.int()),
})
export type Dashboard = z.infer<typeof dashboard>

/** GET /api/v1/workers/catalog: what the fleet can do, by skill. */
export const skillCatalog = z.record(
  z.string(),
  z.object({
    providers_count: z.int(),
    worker_types: z.array(z.string()),
    /** Lowest price of the skill; null when nobody asks for one. */
    base_price: z.number().nullable(),
    average_reputation: z.number(),
    contract: jsonObject.nullable(),
  }),
)
export type SkillCatalog = z.infer<typeof skillCatalog>
