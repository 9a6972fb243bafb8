/** Agents that an agent of the user's may hand work to. */
import { z } from 'zod'
import { instant } from './json.ts'
import { capabilityName } from './mcp-servers.ts'

const body = z.string().max(100_000)

const fields = {
  /** `raw`: the whole Markdown as it is, `raw_markdown`; `structured`: made of the other fields. */
  mode: z.enum(['raw', 'structured']).optional(),
  enabled: z.boolean().optional(),
  description: z.string().max(1000).nullish(),
  prompt: body.nullish(),
  tools: z.array(z.string().min(1).max(200)).max(200).nullish(),
  /** `sonnet`, `opus`, `haiku`, `inherit`, or the id of a model. */
  model: z.string().min(1).max(200).nullish(),
  raw_markdown: body.nullish(),
}

/** POST /api/v1/subagents */
export const createSubagent = z.strictObject({ name: capabilityName, ...fields })
export type CreateSubagent = z.output<typeof createSubagent>

/** PATCH /api/v1/subagents/{id}: what is absent stays. */
export const patchSubagent = z.strictObject({ name: capabilityName.optional(), ...fields })
export type PatchSubagent = z.output<typeof patchSubagent>

export const subagentView = z.object({
  id: z.int(),
  user_id: z.string(),
  name: z.string(),
  mode: z.enum(['raw', 'structured']),
  enabled: z.boolean(),
  description: z.string().nullable(),
  prompt: z.string().nullable(),
  tools: z.array(z.string()).nullable(),
  model: z.string().nullable(),
  raw_markdown: z.string().nullable(),
  created_at: instant,
  updated_at: instant,
})
export type SubagentView = z.infer<typeof subagentView>
