/** What the runtime tells while it uses tools, beside its messages. */
import type { HookCallback, Options } from '@anthropic-ai/claude-agent-sdk'
import type { Took } from './mapping.ts'

export interface ToolHooks {
  readonly hooks: NonNullable<Options['hooks']>
  /** How long a call ran, by its id. Several calls of one message run one after the other, which their messages don't tell. */
  readonly took: Took
}

/** `after` is waited for: the agent goes on when it has resolved. */
export const createToolHooks = (after?: (tool: string, toolUseId: string) => Promise<void>): ToolHooks => {
  const durations = new Map<string, number>()
  const done: HookCallback = async (input) => {
    if (input.hook_event_name !== 'PostToolUse' && input.hook_event_name !== 'PostToolUseFailure') return {}
    if (input.duration_ms !== undefined) durations.set(input.tool_use_id, input.duration_ms)
    await after?.(input.tool_name, input.tool_use_id).catch(() => undefined)
    return {}
  }
  const matchers = [{ hooks: [done] }]
  return {
    hooks: { PostToolUse: matchers, PostToolUseFailure: matchers },
    took: (id) => durations.get(id),
  }
}
