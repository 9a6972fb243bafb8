/**
 * What an agent runtime is asked and what it answers, whichever vendor's runtime it is.
 * A turn goes into the sandbox, numbered events come out; everything above (manager, backend, console) knows only these.
 */
import { z } from 'zod'
import { json, jsonObject } from './json.ts'

export const permissionMode = z.enum(['default', 'acceptEdits', 'plan', 'bypassPermissions'])
export type PermissionMode = z.infer<typeof permissionMode>

/** One turn of a conversation: what the executor fetches from the relay and hands to its runtime. */
export const turn = z.object({
  run_id: z.uuid(),
  session_id: z.uuid(),
  /** Which try of this run it is, from 1. Events of an older attempt are refused. */
  attempt: z.int().min(1),
  runtime: z.enum(['claude']),
  prompt: z.string().min(1),
  model: z.string().min(1),
  permission_mode: permissionMode,
  /** The runtime's own session to continue, so that the agent remembers earlier turns. */
  resume: z.string().optional(),
  /** Appended to the runtime's system prompt. */
  instructions: z.string().optional(),
  /** Tools the agent may use; absent means the runtime's default set. */
  tools: z.array(z.string()).optional(),
  max_turns: z.int().min(1).optional(),
})
export type Turn = z.infer<typeof turn>

export const tokenUsage = z.object({
  input_tokens: z.int().nonnegative(),
  output_tokens: z.int().nonnegative(),
  cache_creation_input_tokens: z.int().nonnegative(),
  cache_read_input_tokens: z.int().nonnegative(),
})
export type TokenUsage = z.infer<typeof tokenUsage>

export const contentBlock = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('thinking'), thinking: z.string() }),
  z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: jsonObject }),
  z.object({ type: z.literal('tool_result'), tool_use_id: z.string(), content: json, is_error: z.boolean() }),
])
export type ContentBlock = z.infer<typeof contentBlock>

export const todo = z.object({
  content: z.string(),
  status: z.enum(['pending', 'in_progress', 'completed']),
  active_form: z.string().optional(),
})
export type Todo = z.infer<typeof todo>

/**
 * One thing that happened in a turn, in the order it happened.
 * `text_delta` and `thinking_delta` are for live display only: the complete text follows in a `message`.
 * A turn ends with exactly one `done` or `error`.
 */
export const agentEvent = z.discriminatedUnion('type', [
  /** The runtime is up; `agent_session_id` is what a later turn passes as `resume`. */
  z.object({ type: z.literal('started'), agent_session_id: z.string(), model: z.string(), tools: z.array(z.string()) }),
  z.object({ type: z.literal('text_delta'), text: z.string(), parent_tool_use_id: z.string().nullable() }),
  z.object({ type: z.literal('thinking_delta'), text: z.string(), parent_tool_use_id: z.string().nullable() }),
  /** A complete message. `parent_tool_use_id` marks what a sub-agent said. */
  z.object({
    type: z.literal('message'),
    role: z.enum(['assistant', 'user']),
    blocks: z.array(contentBlock),
    parent_tool_use_id: z.string().nullable(),
  }),
  z.object({
    type: z.literal('tool_call'),
    tool_use_id: z.string(),
    name: z.string(),
    input: jsonObject,
    parent_tool_use_id: z.string().nullable(),
  }),
  z.object({
    type: z.literal('tool_result'),
    tool_use_id: z.string(),
    output: json,
    is_error: z.boolean(),
    duration_ms: z.int().nonnegative().nullable(),
  }),
  z.object({ type: z.literal('todo'), todos: z.array(todo) }),
  z.object({
    type: z.literal('done'),
    agent_session_id: z.string(),
    result: z.string(),
    turns: z.int().nonnegative(),
    duration_ms: z.int().nonnegative(),
    usage: tokenUsage,
    cost_usd: z.number().nonnegative(),
  }),
  z.object({
    type: z.literal('error'),
    /** Stable: `runtime_failed`, `model_error`, `max_turns`, `interrupted`, `invalid_turn`. */
    code: z.enum(['runtime_failed', 'model_error', 'max_turns', 'interrupted', 'invalid_turn']),
    message: z.string(),
    /** Whether another attempt of the same turn can succeed without anything being changed. */
    retryable: z.boolean(),
    usage: tokenUsage.optional(),
    cost_usd: z.number().nonnegative().optional(),
  }),
])
export type AgentEvent = z.infer<typeof agentEvent>

/** An event with its number within the attempt: 1, 2, 3, … without gaps. `at` is milliseconds since the epoch, display only. */
export const numberedAgentEvent = z.object({ n: z.int().min(1), at: z.number(), event: agentEvent })
export type NumberedAgentEvent = z.infer<typeof numberedAgentEvent>
