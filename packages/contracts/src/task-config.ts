/** What a run is configured with; a session keeps what lasts beyond one message. */
import { z } from 'zod'
import { jsonObject } from './json.ts'
import { mcpServerName, mcpServerTemplate } from './mcp-servers.ts'
import { permissionRules, subAgent } from './turn.ts'

/** A file to put into the workspace before the turn: its text here, or an object's key. */
export const stagedFile = z.object({
  path: z.string().min(1).max(1024),
  content: z.string().max(8_000_000),
  /** A script or a program: it may be called by its name. */
  executable: z.boolean().optional(),
})
export type StagedFile = z.infer<typeof stagedFile>

/** What a run works with. `folder` is a folder of the manager's host, copied in; only below its STAGING_ROOTS. */
export const workspaceSpec = z.object({
  folder: z.object({ host_path: z.string().min(1), path: z.string().min(1).max(256) }).optional(),
  files: z.array(stagedFile).max(1000).optional(),
})
export type WorkspaceSpec = z.infer<typeof workspaceSpec>

/** A file that belongs to a message: uploaded before, or at an address. */
export const inputFile = z.object({
  id: z.string().max(200).nullish(),
  type: z.enum(['file', 'url']).default('file'),
  name: z.string().min(1).max(255),
  /** The key that the upload answered, or the address. */
  source: z.string().min(1).max(2048),
  size: z.int().nonnegative().nullish(),
  content_type: z.string().max(255).nullish(),
  /** Where it lies in the workspace. */
  path: z.string().max(1024).nullish(),
  /** Of a file: a script or a program, which may be called by its name. */
  executable: z.boolean().nullish(),
})
export type InputFile = z.infer<typeof inputFile>

/** The most that a run, a session, … may use up; what is absent has no limit. */
export const budget = z.object({
  tokens: z.int().positive().optional(),
  cost_usd: z.number().positive().optional(),
  wall_seconds: z.number().positive().optional(),
})
export type Budget = z.infer<typeof budget>

/** A sub-agent of one task or preset. */
export const namedSubAgent = subAgent.extend({ name: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/) })
export type NamedSubAgent = z.infer<typeof namedSubAgent>

/** By the id of what is switched on or off for this task. */
const toggles = z.record(z.string().regex(/^\d{1,9}$/), z.boolean())
const capabilityIds = z.array(z.int()).max(500)

export const taskConfig = z.object({
  model: z.string().min(1).max(200).optional(),
  model_provider_id: z.string().min(1).max(100).optional(),
  runtime: z.enum(['claude', 'acp']).optional(),
  /** Of the runtime `acp`. */
  command: z.array(z.string().max(4096)).min(1).max(100).optional(),
  preset_id: z.int().optional(),
  tools: z.array(z.string()).max(200).optional(),
  instructions: z.string().max(100_000).optional(),
  max_turns: z.int().min(1).max(10_000).optional(),
  workspace: workspaceSpec.optional(),
  input_files: z.array(inputFile).max(1000).optional(),
  repo_url: z.string().max(2048).optional(),
  git_branch: z.string().min(1).max(255).optional(),
  /** The name of the owner's secret that holds the token, never the token. */
  git_token_env_key: z.string().min(1).max(255).optional(),
  browser_enabled: z.boolean().optional(),
  memory_enabled: z.boolean().optional(),
  mcp_config: toggles.optional(),
  skill_config: toggles.optional(),
  plugin_config: toggles.optional(),
  /** What the toggles come to, and what a session keeps of them: the servers, skills and plugins that its runs get. */
  mcp_server_ids: capabilityIds.optional(),
  skill_ids: capabilityIds.optional(),
  plugin_ids: capabilityIds.optional(),
  subagent_ids: capabilityIds.optional(),
  subagent_configs: z.array(namedSubAgent).max(100).optional(),
  /** Beside those written down before; secrets belong into placeholders, since a session shows its configuration. */
  mcp_servers: z.record(mcpServerName, mcpServerTemplate).optional(),
  permission_rules: permissionRules.optional(),
  budget: budget.optional(),
  /** Hosts that the agent may reach: names, `*.` before one for all below it, with a port other than 80 and 443 after a colon. */
  egress: z.array(z.string().min(1).max(300)).max(100).optional(),
  /** How long a question may wait for its answer. */
  answer_timeout_seconds: z.number().positive().max(31_536_000).optional(),
  output_schema: jsonObject.optional(),
  /** Where it is told that the agent asks, is delayed, or has ended; left out: the operator's WEBHOOK_URL, if there is one. */
  webhook_url: z.string().min(1).max(2000).optional(),
  /** Of these events only; left out: all, and an empty list: none. */
  webhook_events: z.array(z.string().max(128)).max(32).optional(),
})
export type TaskConfig = z.infer<typeof taskConfig>

const nullable = <S extends z.ZodRawShape>(shape: S): { [K in keyof S]: z.ZodNullable<S[K]> } =>
  Object.fromEntries(Object.entries(shape).map(([key, schema]) => [key, z.nullable(schema)])) as {
    [K in keyof S]: z.ZodNullable<S[K]>
  }

/** What changes in a session's configuration: null takes a key out, toggles and other maps are merged by name. */
export const taskConfigPatch = z.object(nullable(taskConfig.shape))
export type TaskConfigPatch = z.infer<typeof taskConfigPatch>
