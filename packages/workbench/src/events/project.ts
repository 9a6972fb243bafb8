/**
 * What a batch of an agent's events means: rows to store, lines for the log, things to show. Pure, so that one look at
 * its result tells what a session's readers will see.
 */
import type { AgentEvent, Delta, Json, JsonObject, NumberedAgentEvent } from '@tutti/contracts'
import type { NewRequest } from '../requests/requests.ts'
import type { LineType } from '../session/log.ts'
import { agentMessage, type NewMessage, promptMessage, resultMessage } from '../session/messages.ts'
import { plainJson } from '../session/plain-json.ts'
import type { Park } from '../session/rows.ts'
import type { ToolCall, ToolResult } from '../session/tool-executions.ts'

/** In the order in which readers get them. `message`: the place of a stored message in `messages`. */
export type Step =
  | { kind: 'line'; type: LineType; data: JsonObject; entry?: string | undefined }
  | { kind: 'message'; at: number; entry?: string | undefined }
  | { kind: 'chunk'; data: JsonObject }

export interface Projection {
  steps: Step[]
  messages: NewMessage[]
  /** Calls and results in the order they came: a result may belong to a call of the same batch. */
  toolCalls: ToolCall[]
  toolResults: ToolResult[]
  sdkSessionId: string | null
  /** What changes in the agent's state, by name: its to-do list, the files that it changed, its MCP servers. */
  state: JsonObject
  error: string | null
  requests: NewRequest[]
  park: Park | null
}

/** A chunk's text at most: with the frame around it and the worst of UTF-8 it still fits into one notification. */
const chunkLength = 1500

/** A tool's output in the log at most; the whole of it stands in the tool's row and in the message. */
const loggedOutputLength = 32_000

/** @param steered texts of the messages that the events say were taken in, by id; of one that is not there nothing is shown */
export const project = (
  runId: string,
  events: NumberedAgentEvent[],
  steered: ReadonlyMap<string, string> = new Map(),
): Projection => {
  const projection: Projection = {
    steps: [],
    messages: [],
    toolCalls: [],
    toolResults: [],
    sdkSessionId: null,
    state: {},
    error: null,
    requests: [],
    park: null,
  }
  const left = new Map(steered)
  for (const { event } of events) add(projection, runId, event, left)
  return projection
}

const add = (projection: Projection, runId: string, event: AgentEvent, steered: Map<string, string>): void => {
  const entry = 'entry' in event ? event.entry : undefined
  const line = (type: LineType, data: object): void => {
    projection.steps.push({ kind: 'line', type, data: plainJson({ ...data, run_id: runId }) as JsonObject, entry })
  }
  const message = (row: NewMessage): void => {
    projection.steps.push({ kind: 'message', at: projection.messages.length, entry })
    projection.messages.push(row)
  }
  switch (event.type) {
    case 'started':
      projection.sdkSessionId = event.agent_session_id
      return
    case 'text_delta':
    case 'thinking_delta':
      addChunk(projection, runId, event)
      return
    case 'message':
      message(agentMessage(event))
      return
    case 'tool_call': {
      const call = { tool_use_id: event.tool_use_id, tool_name: event.name, tool_input: event.input }
      projection.toolCalls.push(call)
      line('tool.call', { ...call, parent_tool_use_id: event.parent_tool_use_id })
      return
    }
    case 'tool_result': {
      const { tool_use_id, is_error, duration_ms } = event
      projection.toolResults.push({ tool_use_id, tool_output: event.output, is_error, duration_ms })
      line('tool.result', { tool_use_id, ...loggedOutput(event.output), is_error, duration_ms })
      return
    }
    case 'todo':
      projection.state.todos = plainJson(event.todos)
      line('todo.update', { todos: event.todos })
      return
    case 'steered': {
      const text = steered.get(event.id)
      // Here, because here it was heard: what the agent said before, it said without knowing of it.
      if (text !== undefined) message(promptMessage(text))
      steered.delete(event.id)
      return
    }
    case 'file_changes': {
      const { type: _, ...changes } = event
      projection.state.workspace_state = plainJson(changes)
      // The list comes again with every change; with its diffs the log would grow by all of them each time.
      const file_changes = changes.file_changes.map((change) => ({ ...change, diff: null }))
      line('session.patch', { state_patch: { workspace_state: { ...changes, file_changes } } })
      return
    }
    case 'mcp_status':
      projection.state.mcp_status = plainJson(event.servers)
      line('session.patch', { state_patch: { mcp_status: event.servers } })
      return
    case 'screenshot':
      line('screenshot', { tool_use_id: event.tool_use_id, key: event.key })
      return
    case 'request':
      projection.requests.push(event)
      return
    case 'parked':
      projection.sdkSessionId = event.agent_session_id
      projection.park = { reason: event.reason, until: event.until }
      return
    case 'done':
      projection.sdkSessionId = event.agent_session_id
      message(resultMessage(event))
      return
    case 'error':
      projection.error = `${event.code}: ${event.message}`
      message(resultMessage(event))
      return
  }
}

/** Consecutive pieces of one text travel together: a notification each would cost more than the text. */
const addChunk = ({ steps }: Projection, runId: string, { type, text, parent_tool_use_id }: Delta): void => {
  const kind = type === 'text_delta' ? 'text' : 'thinking'
  const last = steps.at(-1)
  if (last?.kind === 'chunk' && last.data.kind === kind && last.data.parent_tool_use_id === parent_tool_use_id) {
    const joined = `${last.data.text}${text}`
    if (joined.length <= chunkLength) {
      last.data.text = joined
      return
    }
  }
  for (let from = 0; from < text.length; from += chunkLength)
    steps.push({
      kind: 'chunk',
      data: { run_id: runId, kind, text: text.slice(from, from + chunkLength), parent_tool_use_id },
    })
}

const loggedOutput = (output: Json): { tool_output: Json; truncated?: true } => {
  const text = JSON.stringify(output)
  return text.length <= loggedOutputLength
    ? { tool_output: output }
    : { tool_output: text.slice(0, loggedOutputLength).toWellFormed(), truncated: true }
}
