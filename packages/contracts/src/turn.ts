/**
 * One turn of a conversation as it goes into the sandbox: what the executor fetches from the relay and hands to its runtime.
 * Everything that a run was configured with has been resolved before: names are paths in the workspace, placeholders are filled.
 */
import { z } from 'zod'
import { json, jsonObject } from './json.ts'

export const permissionMode = z.enum(['default', 'acceptEdits', 'plan', 'bypassPermissions'])
export type PermissionMode = z.infer<typeof permissionMode>

/**
 * Which tools need whose consent, over and above the permission mode. A rule is the name of a tool, `*` for any text in it, or
 * with what it is used on: `Bash(git push*)`, `Edit(src/**)`. `deny` beats `ask`, and `ask` beats `allow`.
 */
export const permissionRules = z.object({
  allow: z.array(z.string().min(1).max(500)).max(200).default([]),
  ask: z.array(z.string().min(1).max(500)).max(200).default([]),
  deny: z.array(z.string().min(1).max(500)).max(200).default([]),
})
export type PermissionRules = z.infer<typeof permissionRules>

/** What a person said to a request of an agent that had been waiting for it. */
export const requestAnswer = z.object({
  tool_use_id: z.string().min(1),
  decision: z.enum(['allow', 'deny']),
  /** In place of the tool's own input: the answers to its questions, or a command that the person has corrected. */
  input: jsonObject.optional(),
  /** Told to the agent: why not, or what to do instead. */
  message: z.string().max(100_000).optional(),
  /** From here on: what an approved plan is carried out under. */
  permission_mode: permissionMode.optional(),
})
export type RequestAnswer = z.infer<typeof requestAnswer>

/** Names of servers that a turn may bring along by itself: nobody else's server can be called so. */
export const ownServers: readonly string[] = ['browser', 'memory']

/** A server of the Model Context Protocol, started in the sandbox or reached through the relay. */
export const mcpServer = z.union([
  z.object({
    type: z.literal('stdio').optional(),
    command: z.string().min(1),
    args: z.array(z.string()).optional(),
    env: z.record(z.string(), z.string()).optional(),
  }),
  z.object({
    type: z.literal('http'),
    url: z.url(),
    headers: z.record(z.string(), z.string()).optional(),
  }),
])
export type McpServer = z.infer<typeof mcpServer>

export const subAgent = z.object({
  description: z.string(),
  prompt: z.string(),
  tools: z.array(z.string()).optional(),
  /** `sonnet`, `opus`, `haiku`, `inherit`, or the id of a model. */
  model: z.string().optional(),
})
export type SubAgent = z.infer<typeof subAgent>

/** With as many there may be more. */
export const mostTold = 5_000

export const turn = z.object({
  run_id: z.uuid(),
  session_id: z.uuid(),
  /** Which hand-out of this run it is, from 1. Events of an older one are refused. */
  attempt: z.int().min(1),
  runtime: z.enum(['claude', 'acp']),
  /** Of an `acp` runtime: the program that speaks the Agent Client Protocol, with its arguments. */
  command: z.array(z.string()).min(1).optional(),
  prompt: z.string().min(1),
  /**
   * The run was parked and goes on: `resume` names the conversation, `answers` what it waited for. The prompt has been said, unless the
   * conversation is older than the run: then it is said again.
   */
  continues: z.boolean().optional(),
  answers: z.array(requestAnswer).optional(),
  /**
   * Of a run that goes on: each `entry` that was stored of it, by whichever attempt, the latest {@link mostTold}. What the conversation has
   * of the run behind them was told to nobody, because the attempt was lost first, and is told before the turn goes on.
   */
  told: z.array(z.string()).optional(),
  /** Whether there is somebody to ask. Without, the agent is told to decide by itself. */
  attended: z.boolean().optional(),
  model: z.string().min(1),
  permission_mode: permissionMode,
  rules: permissionRules.optional(),
  /** The runtime's own session to continue, so that the agent remembers earlier turns. */
  resume: z.string().optional(),
  /** Where the agent works, below the workspace; the same in every turn of a session. */
  cwd: z.string().optional(),
  /** Appended to the runtime's system prompt. */
  instructions: z.string().optional(),
  /** Tools the agent may use; absent means the runtime's default set. */
  tools: z.array(z.string()).optional(),
  max_turns: z.int().min(1).optional(),
  mcp_servers: z.record(z.string(), mcpServer).optional(),
  agents: z.record(z.string(), subAgent).optional(),
  /** Folders of plugins, below the workspace. */
  plugins: z.array(z.string()).optional(),
  /** Whether the agent gets a browser. */
  browser: z.boolean().optional(),
  /** Whether the agent gets the tools of its user's memory. */
  memory: z.boolean().optional(),
  /** What its answer must be: a JSON Schema. */
  output_schema: jsonObject.optional(),
  /** What the operator or the runtime adds; adapters take what they know. */
  settings: z.record(z.string(), json).optional(),
})
export type Turn = z.infer<typeof turn>

/** Said to a turn while it runs. `n` counts from 1 within the run; what was taken before is skipped. */
export const turnCommand = z.discriminatedUnion('type', [
  /** A message that steers the agent; `id` comes back in its `steered` event. */
  z.object({ n: z.int().min(1), type: z.literal('message'), id: z.string(), text: z.string().min(1) }),
  /** Stop what is being done now; the turn ends with `interrupted`. */
  z.object({ n: z.int().min(1), type: z.literal('interrupt') }),
])
export type TurnCommand = z.infer<typeof turnCommand>
