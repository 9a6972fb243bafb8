/** Bundles of settings with a name; and the one text that a user gives to all agents. */
import { z } from 'zod'
import { instant } from './json.ts'
import { namedSubAgent } from './task-config.ts'

const ids = z.array(z.int()).max(100).default([])

/** POST /api/v1/presets, and PUT /api/v1/presets/{id}, which replaces all of it. */
export const putPreset = z.strictObject({
  name: z.string().trim().min(1).max(255),
  description: z.string().max(10_000).nullable().default(null),
  visual_key: z.string().max(255).nullable().default(null),
  /** Told to the agent with its instructions. */
  prompt_template: z.string().max(100_000).nullable().default(null),
  model: z.string().min(1).max(200).nullable().default(null),
  /** The runtime's own tools; null: those that it has without a preset. */
  tools: z.array(z.string().min(1).max(200)).max(200).nullable().default(null),
  browser_enabled: z.boolean().default(false),
  memory_enabled: z.boolean().default(false),
  skill_ids: ids,
  mcp_server_ids: ids,
  plugin_ids: ids,
  subagent_configs: z.array(namedSubAgent).max(100).default([]),
})
export type PutPreset = z.output<typeof putPreset>

export const presetView = z.object({
  id: z.int(),
  user_id: z.string(),
  ...putPreset.shape,
  created_at: instant,
  updated_at: instant,
})
export type PresetView = z.output<typeof presetView>

/** PUT /api/v1/claude-md */
export const putClaudeMd = z.strictObject({ enabled: z.boolean().default(true), content: z.string().max(100_000) })
export type PutClaudeMd = z.output<typeof putClaudeMd>

/** `updated_at` is null before anything was written. */
export const claudeMdView = z.object({ enabled: z.boolean(), content: z.string(), updated_at: instant.nullable() })
export type ClaudeMdView = z.infer<typeof claudeMdView>
