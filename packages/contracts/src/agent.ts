/**
 * What an agent runtime answers to a turn, whichever vendor's runtime it is: numbered events. Everything above (manager,
 * backend, console) knows only these.
 */
import { z } from 'zod'
import { json, jsonObject } from './json.ts'

export const tokenUsage = z.object({
  input_tokens: z.int().nonnegative(),
  output_tokens: z.int().nonnegative(),
  cache_creation_input_tokens: z.int().nonnegative(),
  cache_read_input_tokens: z.int().nonnegative(),
})
export type TokenUsage = z.infer<typeof tokenUsage>

/** The runtime's name of a tool's call. It comes out of a sandbox and is kept in an index, which takes no megabytes. */
const toolUseId = z.string().min(1).max(500)

/**
 * Which part of which entry of the runtime's own record of the conversation an event tells, where that has the event: `ENTRY/PART`. So an
 * attempt that goes on in the conversation knows what of it was stored: see `Turn.told`.
 */
const entry = z.string().max(200).optional()

export const contentBlock = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('thinking'), thinking: z.string() }),
  z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: jsonObject }),
  z.object({ type: z.literal('tool_result'), tool_use_id: toolUseId, content: json, is_error: z.boolean() }),
])
export type ContentBlock = z.infer<typeof contentBlock>

export const todo = z.object({
  content: z.string(),
  status: z.enum(['pending', 'in_progress', 'completed']),
  active_form: z.string().optional(),
})
export type Todo = z.infer<typeof todo>

export const fileChange = z.object({
  path: z.string(),
  status: z.enum(['added', 'modified', 'staged', 'deleted', 'renamed']),
  added_lines: z.int().nonnegative(),
  deleted_lines: z.int().nonnegative(),
  /** Unified; null where the file is binary or its diff too long. */
  diff: z.string().nullable(),
  old_path: z.string().nullable(),
})
export type FileChange = z.infer<typeof fileChange>

/**
 * One thing that happened in a turn, in the order it happened.
 * `text_delta` and `thinking_delta` are for live display only: the complete text follows in a `message`.
 * A turn ends with exactly one `done`, `parked` or `error`.
 */
export const agentEvent = z.discriminatedUnion('type', [
  /** The runtime is up; `agent_session_id` is what a later turn passes as `resume`. */
  z.object({ type: z.literal('started'), agent_session_id: z.string(), model: z.string(), tools: z.array(z.string()) }),
  z.object({ type: z.literal('text_delta'), text: z.string(), parent_tool_use_id: toolUseId.nullable() }),
  z.object({ type: z.literal('thinking_delta'), text: z.string(), parent_tool_use_id: toolUseId.nullable() }),
  /** A complete message. `parent_tool_use_id` marks what a sub-agent said. */
  z.object({
    type: z.literal('message'),
    role: z.enum(['assistant', 'user']),
    blocks: z.array(contentBlock),
    parent_tool_use_id: toolUseId.nullable(),
    entry,
  }),
  z.object({
    type: z.literal('tool_call'),
    tool_use_id: toolUseId,
    name: z.string(),
    input: jsonObject,
    parent_tool_use_id: toolUseId.nullable(),
    entry,
  }),
  z.object({
    type: z.literal('tool_result'),
    tool_use_id: toolUseId,
    output: json,
    is_error: z.boolean(),
    duration_ms: z.int().nonnegative().nullable(),
    entry,
  }),
  z.object({ type: z.literal('todo'), todos: z.array(todo), entry }),
  /** The agent wants something of a person: an answer, a yes to its plan, a yes to a tool. It waits; see `parked`. */
  z.object({
    type: z.literal('request'),
    kind: z.enum(['question', 'plan', 'permission']),
    tool_use_id: toolUseId,
    tool_name: z.string(),
    input: jsonObject,
  }),
  /** A message sent while the turn ran has been taken in. */
  z.object({ type: z.literal('steered'), id: z.string() }),
  /** What the workspace differs in from the start of the run: the whole list, in place of the last one. */
  z.object({
    type: z.literal('file_changes'),
    repository: z.string().nullable(),
    branch: z.string().nullable(),
    total_added_lines: z.int().nonnegative(),
    total_deleted_lines: z.int().nonnegative(),
    file_changes: z.array(fileChange),
  }),
  z.object({
    type: z.literal('mcp_status'),
    servers: z.array(z.object({ server_name: z.string(), status: z.string(), message: z.string().nullable() })),
  }),
  /** What the browser showed after a tool call; `key` is where the relay has stored it. */
  z.object({ type: z.literal('screenshot'), tool_use_id: toolUseId, key: z.string() }),
  z.object({
    type: z.literal('done'),
    agent_session_id: z.string(),
    result: z.string(),
    /** The answer in the shape of the turn's `output_schema`; absent where none was asked for. */
    output: json.optional(),
    turns: z.int().nonnegative(),
    duration_ms: z.int().nonnegative(),
    usage: tokenUsage,
    cost_usd: z.number().nonnegative(),
  }),
  /** The turn stops here and goes on later, in whichever sandbox: after an answer, or at the instant `until` (ms). */
  z.object({
    type: z.literal('parked'),
    reason: z.enum(['input', 'rate_limit']),
    until: z.number().nullable(),
    agent_session_id: z.string(),
    turns: z.int().nonnegative(),
    duration_ms: z.int().nonnegative(),
    usage: tokenUsage,
    cost_usd: z.number().nonnegative(),
  }),
  z.object({
    type: z.literal('error'),
    /** Stable. `output_invalid`: the answer does not fit the schema that it was to have, also after that was said. */
    code: z.enum(['runtime_failed', 'model_error', 'max_turns', 'interrupted', 'invalid_turn', 'output_invalid']),
    message: z.string(),
    /** Whether another attempt of the same turn can succeed without anything being changed. */
    retryable: z.boolean(),
    usage: tokenUsage.optional(),
    cost_usd: z.number().nonnegative().optional(),
  }),
])
export type AgentEvent = z.infer<typeof agentEvent>

export type Delta = Extract<AgentEvent, { type: 'text_delta' | 'thinking_delta' }>

/** Whether it is shown while it is said, and never stored. */
export const isDelta = (event: AgentEvent): event is Delta =>
  event.type === 'text_delta' || event.type === 'thinking_delta'
