/** How a turn ended: the runtime's result message as `done` or `error`. A failure never passes for a success. */
import type { AgentEvent } from '@tutti/contracts'
import { finite, type Loose, text, texts } from '../loose.ts'
import { boundedJson } from './blocks.ts'
import type { Spent } from './spent.ts'

export type Terminal = Extract<AgentEvent, { type: 'done' | 'parked' | 'error' }>

/** What the provider said, when it refused: found on an assistant message, before the result. */
export interface ModelFailure {
  kind: string
  message: string
}

const refusedKey = 'authentication_failed'

/** Refusals that no repetition cures: a wrong key, an unknown model, a request that is too large or not allowed. */
const lasting = new Set([
  refusedKey,
  'oauth_org_not_allowed',
  'account_on_hold',
  'verification_required',
  'billing_error',
  'invalid_request',
  'model_not_found',
  'max_output_tokens',
])

export const isLasting = ({ kind }: ModelFailure): boolean => lasting.has(kind)

/** Why the runtime may stop although it calls its result a success, and what of it another attempt cures. */
const brokenOff: Readonly<Record<string, { message: string; retryable: boolean }>> = {
  prompt_too_long: { message: 'The conversation is longer than the model can read.', retryable: false },
  image_error: { message: 'The model could not read an image.', retryable: false },
  blocking_limit: { message: 'The conversation has reached the limit of what the model can read.', retryable: false },
  malformed_tool_use_exhausted: { message: 'The model called tools in a way that cannot be read.', retryable: true },
  model_error: { message: 'The model failed.', retryable: true },
  api_error: { message: 'The model provider failed.', retryable: true },
}

const modelError = (result: Loose, failure: ModelFailure | undefined): { message: string; retryable: boolean } => {
  const status = finite(result.api_error_status)
  const temporary = status === undefined || status === 408 || status === 409 || status === 429 || status >= 500
  const said = text(result.result) || failure?.message || 'The model provider refused the request.'
  // The runtime's own words for it advise to log in, which nobody can do in a sandbox.
  const message = failure?.kind === refusedKey ? `The model provider refused the key. ${said}` : said
  const cured = brokenOff[text(result.terminal_reason)]?.retryable !== false
  return { message, retryable: temporary && cured && (failure === undefined || !isLasting(failure)) }
}

export interface Account extends Spent {
  turns: number
  duration_ms: number
}

/** The event that ends a turn. */
export const outcome = (result: Loose, failure: ModelFailure | undefined, account: Account): Terminal => {
  const { turns, duration_ms, ...spent } = account
  const subtype = text(result.subtype)
  const failed = result.is_error === true
  if (result.terminal_reason === 'tool_deferred' && !failed) {
    const agent_session_id = text(result.session_id)
    return { type: 'parked', reason: 'input', until: null, agent_session_id, turns, duration_ms, ...spent }
  }
  const broken = brokenOff[text(result.terminal_reason)]
  if (broken !== undefined && !failed) return { type: 'error', code: 'model_error', ...broken, ...spent }
  if (subtype === 'success' && !failed) {
    const { structured_output } = result
    return {
      ...{ type: 'done', agent_session_id: text(result.session_id), result: text(result.result) },
      ...(structured_output === undefined ? {} : { output: boundedJson(structured_output) }),
      ...{ turns, duration_ms, ...spent },
    }
  }
  if (subtype === 'error_max_structured_output_retries') {
    const message = 'The agent gave no answer in the shape that was asked for.'
    return { type: 'error', code: 'output_invalid', message, retryable: false, ...spent }
  }
  if (subtype === 'error_max_turns') {
    return {
      type: 'error',
      code: 'max_turns',
      message: 'The turn reached its limit of steps.',
      retryable: false,
      ...spent,
    }
  }
  const errors = texts(result.errors).join('\n')
  if (errors.includes('No conversation found')) {
    return { type: 'error', code: 'invalid_turn', message: errors, retryable: false, ...spent }
  }
  if (subtype === 'success' || failure !== undefined) {
    return { type: 'error', code: 'model_error', ...modelError(result, failure), ...spent }
  }
  return {
    type: 'error',
    code: 'runtime_failed',
    message: errors || `The agent runtime ended with ${subtype || 'an unknown result'}.`,
    retryable: subtype === 'error_during_execution',
    ...spent,
  }
}
