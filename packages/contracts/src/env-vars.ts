/** Secrets of users and of the operator. They go in and never come out: an answer says only that one is set. */
import { z } from 'zod'
import { instant } from './json.ts'

const key = z
  .string()
  .max(255)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'letters, digits and _ only, and no digit first')
const value = z.string().min(1).max(65_536)
const description = z.string().max(1000).nullish()
/** Only the operator makes what is everybody's. */
export const capabilityScope = z.enum(['user', 'system'])
export type CapabilityScope = z.infer<typeof capabilityScope>

/** POST /api/v1/env-vars */
export const createEnvVar = z.strictObject({ key, value, description, scope: capabilityScope.default('user') })
export type CreateEnvVar = z.output<typeof createEnvVar>

/** PATCH /api/v1/env-vars/{id}: what is absent stays. */
export const patchEnvVar = z.strictObject({ value: value.optional(), description })
export type PatchEnvVar = z.output<typeof patchEnvVar>

/** Whether the configuration of users may name it. Whoever may name a secret can read it: their agent gets it. */
const shared = z.boolean()

/** POST /api/v1/internal/system-env-vars */
export const createSystemEnvVar = z.strictObject({ key, value, description, shared: shared.default(false) })
export type CreateSystemEnvVar = z.output<typeof createSystemEnvVar>

/** PATCH /api/v1/internal/system-env-vars/{id} */
export const patchSystemEnvVar = z.strictObject({ value: value.optional(), description, shared: shared.optional() })
export type PatchSystemEnvVar = z.output<typeof patchSystemEnvVar>

export const envVarView = z.object({
  id: z.int(),
  /** Null: the operator's. */
  user_id: z.string().nullable(),
  key: z.string(),
  description: z.string().nullable(),
  scope: capabilityScope,
  /** False where it was sealed with a key that is no longer configured: it has to be set again. */
  is_set: z.boolean(),
  shared,
  created_at: instant,
  updated_at: instant,
})
export type EnvVarView = z.infer<typeof envVarView>
