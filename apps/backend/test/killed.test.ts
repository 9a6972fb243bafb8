/** A backend in a process of its own, killed without warning, again and again. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type ChildBackend, createChildBackend } from './support/child-backend.ts'

let backend: ChildBackend
beforeAll(async () => {
  backend = await createChildBackend()
})
afterAll(() => backend.close())

interface Answer {
  code: number
  data: Record<string, unknown>
}

const call = (path: string, body?: object): Promise<Answer> => backend.call(path, body)

/** As a manager does: sends the same again until it is answered. */
const insist = (path: string, body: object): Promise<Answer> =>
  vi.waitFor(
    async () => {
      const answer = await call(path, body)
      expect(answer.code).toBeLessThan(50_000)
      return answer
    },
    { interval: 20, timeout: 40_000 },
  )

test('killed-backend-loses-nothing-and-repeats-nothing', async () => {
  await backend.start()
  const { data: task } = await call('/tasks', { prompt: 'work', client_request_id: 'r1' })
  await call('/tasks', { prompt: 'next', session_id: task.session_id })
  const claim = { worker_id: 'm', boot_id: 'b', wait_seconds: 30 }
  const { data: run } = await call('/runs/claim', claim)
  const holder = { worker_id: 'm', lease_token: run.lease_token, attempt: 1 }

  const batches = 60
  let sent = 0
  const sending = (async () => {
    for (; sent < batches; sent++) {
      const events = [1, 2, 3].map((i) => ({
        n: 3 * sent + i,
        at: 0,
        event: {
          type: 'message',
          role: 'assistant',
          blocks: [{ type: 'text', text: `${3 * sent + i}` }],
          parent_tool_use_id: null,
        },
      }))
      expect(await insist(`/runs/${run.run_id}/events`, { ...holder, events })).toMatchObject({ code: 0 })
    }
  })()
  for (const at of [10, 25, 45]) {
    await expect.poll(() => sent, { interval: 1, timeout: 30_000 }).toBeGreaterThanOrEqual(at)
    await backend.end('SIGKILL')
    await backend.start()
  }
  await sending

  const finishing = insist(`/runs/${run.run_id}/finish`, { ...holder, outcome: 'completed' })
  await backend.end('SIGKILL')
  await backend.start()
  expect((await finishing).data).toMatchObject({ status: 'completed' })

  const messages = (await call(`/sessions/${task.session_id}/messages`)).data as unknown as { text_preview: string }[]
  const said = Array.from({ length: 3 * batches }, (_, at) => `${at + 1}`)
  expect(messages.map((message) => message.text_preview)).toEqual(['work', ...said, 'next'])
  const { items } = (await call(`/sessions/${task.session_id}/events`)).data as { items: { seq: number }[] }
  expect(items.map((item) => item.seq)).toEqual(items.map((_, at) => at + 1))

  // The engine knows of the end, too: the next message's run is handed out.
  const { data: next } = await insist('/runs/claim', claim)
  expect(next).toMatchObject({ prompt: 'next', session_id: task.session_id })
  expect(await backend.end('SIGTERM')).toBe(0)
}, 150_000)
