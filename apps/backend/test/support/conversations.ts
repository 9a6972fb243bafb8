/** What tests of sessions say to a backend: whole turns, and conversations of several. */
import type { MessageView } from '@tutti/contracts'
import { expect } from 'vitest'
import type { Running } from './stage.ts'

/** An id that nothing has. */
export const unknown = '00000000-0000-4000-8000-000000000000'

export const texts = (messages: MessageView[]) =>
  messages.map(({ text_preview }) => text_preview).filter((text) => text !== null)

const usage = {
  input_tokens: 10,
  output_tokens: 5,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
}

/** @param at the backend, once it runs */
export const conversations = (at: () => Running) => {
  const send = async <T = Record<string, unknown>>(method: string, path: string, body?: unknown) => {
    const response = await fetch(`${at().address}/api/v1${path}`, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    const answer = (await response.json()) as { code: number; message: string; data: T }
    return { status: response.status, headers: response.headers, data: answer.data }
  }
  const get = <T>(path: string) => send<T>('GET', path)

  /** A turn with a tool in it, from the claim to its end. */
  const turn = async (
    text: string,
    { snapshot = true, sdk = 'sdk-1' } = {},
  ): Promise<{ sessionId: string; runId: string }> => {
    const claimed = await at().manage('/claim', {
      worker_id: 'manager-1',
      boot_id: 'boot-1',
      lease_seconds: 60,
      wait_seconds: 20,
    })
    const run = claimed.body.data as { run_id: string; session_id: string; lease_token: string; attempt: number }
    const by = { worker_id: 'manager-1', lease_token: run.lease_token, attempt: run.attempt }
    await at().manage(`/${run.run_id}/start`, { ...by, model: 'm', sandbox: 's' })
    const message = (role: string, block: object) => ({
      type: 'message',
      role,
      blocks: [block],
      parent_tool_use_id: null,
    })
    const events = [
      { type: 'started', agent_session_id: sdk, model: 'm', tools: [] },
      message('assistant', { type: 'tool_use', id: 't1', name: 'Bash', input: {} }),
      { type: 'tool_call', tool_use_id: 't1', name: 'Bash', input: {}, parent_tool_use_id: null },
      { type: 'tool_result', tool_use_id: 't1', output: 'x', is_error: false, duration_ms: 1 },
      message('user', { type: 'tool_result', tool_use_id: 't1', content: 'x', is_error: false }),
      message('assistant', { type: 'text', text }),
      { type: 'done', agent_session_id: sdk, result: text, turns: 1, duration_ms: 7, usage, cost_usd: 0.5 },
    ]
    const stored = await at().manage(`/${run.run_id}/events`, {
      ...by,
      events: events.map((event, at) => ({ n: at + 1, at: 0, event })),
    })
    expect(stored.status).toBe(200)
    const account = (told: object) => at().manage(`/${run.run_id}/account`, { ...by, ...told })
    const most = { input_tokens: 10, output_tokens: 5, cost_usd: 0.5 }
    await account({ wall_ms: 0, begin: { n: 1, model: 'm', provider: 'p', most } })
    await account({ wall_ms: 7, ended: [{ ...usage, n: 1, cost_usd: 0.5, status: 200, complete: true }] })
    const manifest_key = `workspaces/${run.session_id}/runs/${run.run_id}/manifest.json`
    const ended = await at().manage(`/${run.run_id}/finish`, {
      ...by,
      outcome: 'completed',
      ...(snapshot ? { export: { status: 'ready', prefix: 'w', manifest_key, files: [] } } : {}),
    })
    expect(ended.status).toBe(200)
    return { sessionId: run.session_id, runId: run.run_id }
  }

  const ask = async (prompt: string, fields: object = {}) => {
    const { data } = await send('POST', '/tasks', { prompt, ...fields })
    return data as { session_id: string; run_id: string }
  }

  const conversation = async (...prompts: string[]) => {
    const { session_id } = await ask(prompts[0] ?? 'x')
    const first = await turn(`answer to ${prompts[0]}`)
    const runIds = [first.runId]
    for (const prompt of prompts.slice(1)) {
      await ask(prompt, { session_id })
      runIds.push((await turn(`answer to ${prompt}`)).runId)
    }
    const { data: messages } = await get<MessageView[]>(`/sessions/${session_id}/messages`)
    return { session_id, runIds, messages }
  }

  return { send, get, turn, ask, conversation }
}
