/** Commands that a user writes for agents: `/name`, followed by what stands for `$ARGUMENTS` in its text. */
import { z } from 'zod'
import { instant } from './json.ts'
import { capabilityName } from './mcp-servers.ts'

const body = z.string().max(100_000)
const line = z.string().max(1000)

const fields = {
  /** `raw`: the whole Markdown as it is, `raw_markdown`; `structured`: made of the other fields. */
  mode: z.enum(['raw', 'structured']).optional(),
  enabled: z.boolean().optional(),
  description: line.nullish(),
  argument_hint: line.nullish(),
  /** Names of tools, separated by commas. */
  allowed_tools: line.nullish(),
  content: body.nullish(),
  raw_markdown: body.nullish(),
}

/** The agent's runtime has these itself. */
const reserved = ['clear', 'compact', 'help']
const commandName = capabilityName.refine((name) => !reserved.includes(name), 'the agent has a command of this name')

/** POST /api/v1/slash-commands */
export const createSlashCommand = z.strictObject({ name: commandName, ...fields })
export type CreateSlashCommand = z.output<typeof createSlashCommand>

/** PATCH /api/v1/slash-commands/{id}: what is absent stays. */
export const patchSlashCommand = z.strictObject({ name: commandName.optional(), ...fields })
export type PatchSlashCommand = z.output<typeof patchSlashCommand>

export const slashCommandView = z.object({
  id: z.int(),
  user_id: z.string(),
  name: z.string(),
  mode: z.enum(['raw', 'structured']),
  enabled: z.boolean(),
  description: z.string().nullable(),
  argument_hint: z.string().nullable(),
  allowed_tools: z.string().nullable(),
  content: z.string().nullable(),
  raw_markdown: z.string().nullable(),
  created_at: instant,
  updated_at: instant,
})
export type SlashCommandView = z.infer<typeof slashCommandView>

/** GET /api/v1/slash-commands/suggestions */
export const slashSuggestion = z.object({
  name: z.string(),
  description: z.string().nullable(),
  argument_hint: z.string().nullable(),
  source: z.enum(['custom', 'skill']),
})
export type SlashSuggestion = z.infer<typeof slashSuggestion>
