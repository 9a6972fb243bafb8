/** Limits of agents that hold where nobody has set another: told with their name, and kept. */
import { expect } from 'vitest'
import type { Effects } from '../effects/effects.ts'
import { serveBackend } from './serve.ts'

const scopes = ['RUN', 'SESSION', 'USER_MONTH', 'PROJECT_MONTH', 'MONTH']
/** Of each measure: a limit, and a use that is over it. */
const measures = { USD: '0.5', TOKENS: '150', SECONDS: '1' }

const call = {
  ...{ input_tokens: 100, output_tokens: 100, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
  ...{ cost_usd: 1, status: 200, complete: true },
}
const most = { input_tokens: 10, output_tokens: 10, cost_usd: 0.01 }

/** What is said to a run that has used two hundred tokens, a dollar and two seconds, and wants to ask the model once more. */
const refusalOf = async (env: Record<string, string>): Promise<string | null> => {
  const server = await serveBackend({ ...env, SINGLE_USER_ID: `user-${crypto.randomUUID()}` })
  const project = (await server.post('/api/v1/projects', { name: 'p' })).body.data
  const task = { project_id: project.project_id, schedule_mode: `own-${crypto.randomUUID()}` }
  // What all users together have used before this test may be too much for a message already.
  const { status, body } = await server.post('/api/v1/tasks', { prompt: 'hello', ...task })
  if (status === 402 || status === 429) return body.message
  const worker_id = crypto.randomUUID()
  const asked = { worker_id, boot_id: worker_id, wait_seconds: 5, schedule_modes: [task.schedule_mode] }
  const { run_id, lease_token } = (await server.manage('/claim', asked)).body.data
  const account = async (more: object) =>
    (await server.manage(`/${run_id}/account`, { worker_id, lease_token, ...more })).body.data
  const begin = (n: number) => ({ n, model: 'claude-of-tests', provider: 'anthropic', most })
  expect(await account({ wall_ms: 0, begin: begin(1) })).toMatchObject({ verdict: 'go' })
  const { verdict, refusal } = await account({ wall_ms: 2000, ended: [{ ...call, n: 1 }], begin: begin(2) })
  await server.stop()
  expect(verdict).toBe(refusal === null ? 'go' : 'stop')
  return refusal && `${refusal.set_by}: ${refusal.message}`
}

export const budgets: Effects = Object.fromEntries(
  scopes.flatMap((scope) =>
    Object.entries(measures).map(([measure, limit]) => [
      `BUDGET_${scope}_${measure}`,
      async () => {
        expect(await refusalOf({})).toBeNull()
        expect(await refusalOf({ [`BUDGET_${scope}_${measure}`]: limit })).toContain(`BUDGET_${scope}_${measure}`)
      },
    ]),
  ),
)
