/** Deciding by a link, without an account: what is behind it, and what it can't be made to do. */
import { blueprint } from '@tutti/engine'
import { createMemoryStore } from '@tutti/stores'
import { describe, expect, test } from 'vitest'
import { createApprovalLinks } from '../src/approvals/link.ts'
import { startServer, type TestServer } from './support/server.ts'

const message = 'Ship <b>“A&B”</b> to <script>alert(1)</script>?'
const ask = blueprint({ name: 'ask' })
  .state('ask', { start: true, to: ['again', 'no'] }, ({ approval }) =>
    approval({ message, on: { 'yes & go': 'again', no: 'no', timeout: 'no' }, timeout: '2d' }),
  )
  .state('again', { to: ['out', 'no'] }, ({ approval }) =>
    approval({ message: 'Really?', on: { 'yes & go': 'out', no: 'no' } }),
  )
  .end('out', ({ last }) => last?.data ?? null)
  .end('no')

/** The installation's, as the test server has it. */
const links = createApprovalLinks(Buffer.alloc(32, 1))

const asked = async (server: TestServer) => {
  const { body } = await server.call('POST', '/api/v1/jobs', { blueprint: 'ask' })
  return { jobId: body.job_id as string, seq: await lastAsked(server, body.job_id) }
}
const lastAsked = async (server: TestServer, id: string): Promise<number> => {
  const { body } = await server.call('GET', `/api/v1/jobs/${id}/history`)
  return body.findLast((line: { event_type: string }) => line.event_type === 'approval_requested').seq
}
const pathOf = (link: { jobId: string; seq: number }, expiresAt = Date.now() + 60_000, to = 'ops@example.test') =>
  `/_public/approvals/${links.write({ ...link, to, expiresAt })}`
const form = { 'content-type': 'application/x-www-form-urlencoded', 'x-avtomatika-token': '' }
const state = async (server: TestServer, id: string): Promise<string> =>
  (await server.call('GET', `/api/v1/jobs/${id}`)).body.current_state

const start = (options = {}) => startServer({ blueprints: [ask], ...options })

test('looking decides nothing, however often; the page runs no script and shows every text as text', async () => {
  const server = await start()
  const link = await asked(server)
  for (let times = 0; times < 3; times += 1) {
    const page = await server.call('GET', pathOf(link), undefined, { 'x-avtomatika-token': '' })
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(page.headers.get('referrer-policy')).toBe('no-referrer')
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.body).not.toMatch(/<script|<b>/)
    expect(page.body).toContain('&#60;script&#62;alert(1)&#60;/script&#62;')
    expect(page.body).toContain('value="yes &#38; go"')
    expect(page.body).not.toContain('value="timeout"')
  }
  expect(await state(server, link.jobId)).toBe('ask')
})

test('the form decides once, and the log names whom the link was for', async () => {
  const server = await start()
  const link = await asked(server)
  const path = pathOf(link)
  const body = new URLSearchParams({ decision: 'yes & go', comment: ' looks good ' }).toString()
  const first = await server.call('POST', path, body, form)
  expect([first.status, first.body]).toEqual([200, expect.stringContaining('yes &#38; go')])
  expect(await state(server, link.jobId)).toBe('again')
  const second = await server.call('POST', path, body, form)
  expect([second.status, second.body]).toEqual([409, expect.stringContaining('Nothing to decide')])
  expect((await server.call('GET', path)).status).toBe(409)
  // A link to the first question does not answer the second.
  expect(await state(server, link.jobId)).toBe('again')
  const { body: log } = await server.call('GET', `/api/v1/jobs/${link.jobId}/history`)
  const received = log.find((line: { event_type: string }) => line.event_type === 'approval_received')
  expect(received.data).toMatchObject({ decision: 'yes & go', by: 'link: ops@example.test', comment: ' looks good ' })
})

test('ten at the same moment decide once', async () => {
  const server = await start()
  const link = await asked(server)
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      server.call('POST', pathOf(link, undefined, `p${n}@example.test`), 'decision=yes+%26+go&comment=', form),
    ),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(409)])
  expect(await state(server, link.jobId)).toBe('again')
})

test('JSON is taken as well, and a decision that is not offered is refused', async () => {
  const server = await start()
  const link = await asked(server)
  const wrong = await server.call('POST', pathOf(link), { decision: 'perhaps' })
  expect([wrong.status, await state(server, link.jobId)]).toEqual([400, 'ask'])
  const clock = await server.call('POST', pathOf(link), { decision: 'timeout' })
  expect([clock.status, await state(server, link.jobId)]).toEqual([400, 'ask'])
  expect((await server.call('POST', pathOf(link), { decision: 'no' })).status).toBe(200)
})

describe('what does not work is not told apart', () => {
  test('expired, forged, cut, of another installation', async () => {
    let now = Date.now()
    const server = await start({ store: createMemoryStore({ now: () => now }) })
    const link = await asked(server)
    const good = pathOf(link, now + 1_000)
    const foreign = createApprovalLinks(Buffer.alloc(32, 2)).write({ ...link, to: 'x', expiresAt: now + 1_000 })
    const [payload = '', proof = ''] = good.replace('/_public/approvals/', '').split('.')
    const other = Buffer.from(JSON.stringify([link.jobId, link.seq, 'mallory@example.test', now + 1_000_000])).toString(
      'base64url',
    )
    const bad = [
      foreign,
      `${other}.${proof}`,
      payload,
      `${payload}.`,
      `.${proof}`,
      `${payload}.${proof.slice(1)}`,
      'x',
      '%F0%9F',
    ]
    for (const token of bad)
      for (const method of ['GET', 'POST']) {
        const answer = await server.call(
          method,
          `/_public/approvals/${token}`,
          method === 'POST' ? { decision: 'no' } : undefined,
        )
        expect(answer.status, `${method} ${token}`).toBe(404)
      }
    now += 1_001
    expect((await server.call('POST', good, { decision: 'no' })).status).toBe(404)
    expect(await state(server, link.jobId)).toBe('ask')
  })

  test('a job that was cancelled or removed since has nothing to decide', async () => {
    const server = await start()
    const link = await asked(server)
    await server.call('POST', `/api/v1/jobs/${link.jobId}/cancel`)
    expect((await server.call('GET', pathOf(link))).status).toBe(409)
    await server.call('DELETE', `/api/v1/jobs/${link.jobId}`)
    expect((await server.call('POST', pathOf(link), { decision: 'no' })).status).toBe(409)
  })
})
