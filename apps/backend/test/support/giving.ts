/** Giving things to agents, and claiming runs as a manager does, to see what they got. */
import type { ClaimedRun } from '@tutti/contracts'
import { expect } from 'vitest'
import { type Answer, internalToken, type Running } from './stage.ts'

export const operator = { 'x-internal-token': internalToken }
export const data = <T = Record<string, unknown>>(answer: Answer): T => {
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return answer.body.data as T
}
export const code = (answer: Answer): unknown => [answer.status, (answer.body.data as { code: string }).code]
export const pathOf = (answer: Answer): unknown => (answer.body.data as { path?: string }).path

let count = 0
export const unique = (name: string): string => {
  count += 1
  return `${name}${count}`
}

export interface Sent {
  session_id: string
  run_id: string
}
export const skill = (name: string, more: object = {}) => ({
  files: [{ path: 'SKILL.md', content: `---\nname: ${name}\ndescription: The ${name}\n---\nDo it.` }],
  ...more,
})

/** @param own the backend of the user, once it runs */
export const giving = (own: () => Running) => {
  const made = async (path: string, body: object, by = own()): Promise<number> =>
    data<{ id: number }>(await by.post(`/api/v1${path}`, body)).id
  const send = async (config: object, more: object = {}): Promise<Sent> =>
    data<Sent>(await own().post('/api/v1/tasks', { prompt: 'go', config, ...more }))
  /** Claims, and ends the run, so that the next one of its session may come. */
  const claim = async (run: Sent, status = 'claimed'): Promise<ClaimedRun> => {
    const body = { worker_id: 'manager-1', boot_id: 'boot-1', lease_seconds: 60, wait_seconds: 0 }
    for (let tries = 0; tries < 200; tries += 1) {
      const claimed = data<ClaimedRun | null>(await own().manage('/claim', body))
      if (claimed === null) {
        const view = data<{ status: string }>(await own().get(`/api/v1/runs/${run.run_id}`))
        if (view.status === status) return view as never
        continue
      }
      const held = { worker_id: 'manager-1', lease_token: claimed.lease_token, attempt: claimed.attempt }
      data(await own().manage(`/${claimed.run_id}/finish`, { ...held, outcome: 'completed', result: 'x' }))
      if (claimed.run_id === run.run_id) return claimed
    }
    throw new Error('the run could not be claimed')
  }
  const failure = async (run: Sent): Promise<string> => {
    const view = (await claim(run, 'failed')) as unknown as { last_error: string }
    return view.last_error
  }
  return { made, send, claim, failure }
}
