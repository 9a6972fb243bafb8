/** From a job's end to somebody else's server, and back to the list of deliveries. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { blueprint } from '@tutti/engine'
import { Webhook } from 'standardwebhooks'
import { expect, onTestFinished, test } from 'vitest'
import { blueprints } from '../support/blueprints.ts'
import { startServer, type TestServer, tokens, until } from '../support/server.ts'

interface Received {
  headers: IncomingHttpHeaders
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: payloads of every kind
  body: any
}

/** @param statuses of the answers, in order; then 200 */
const receiver = async (statuses: number[] = []) => {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    received.push({ headers: request.headers, text, body: JSON.parse(text) })
    response.writeHead(statuses.shift() ?? 200, { 'retry-after': '0' }).end()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { received, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` }
}

const start = (more = {}) =>
  startServer({ settings: { webhookAllowPrivate: true }, blueprints: [...blueprints, gate], ...more })
const gate = blueprint({ name: 'gate' })
  .state('ask', { start: true, to: ['done'] }, ({ approval }) =>
    approval({ message: 'open?', on: { open: 'done' }, assignees: ['one@example.test', 'two@example.test'] }),
  )
  .end('done')

const create = async (server: TestServer, body: object): Promise<string> => {
  const answer = await server.call('POST', '/api/v1/jobs', body)
  expect(answer.status, JSON.stringify(answer.body)).toBe(202)
  return answer.body.job_id
}
const deliveries = async (server: TestServer, query = '') =>
  (await server.call('GET', `/api/v1/webhooks/deliveries${query}`)).body.items
const secretsOf = async (server: TestServer): Promise<string[]> =>
  (await server.call('GET', '/api/v1/webhooks/secret')).body.secrets
const headersOf = ({ headers }: Received) => headers as Record<string, string>

test('a finished job is told, signed so that any library verifies it, and listed as delivered', async () => {
  const server = await start()
  const { received, url } = await receiver()
  const id = await create(server, { blueprint: 'nothing', webhook_url: url })
  const [hook] = await until(async () => received.length > 0 && received)
  const [secret = ''] = await secretsOf(server)
  expect(new Webhook(secret).verify(hook?.text ?? '', headersOf(hook as Received))).toMatchObject({
    event: 'job_finished',
    job_id: id,
    status: 'finished',
    result: { ok: true },
    error: null,
  })
  expect(() => new Webhook(secret).verify(`${hook?.text} `, headersOf(hook as Received))).toThrow()
  const [delivery] = await until(async () => {
    const list = await deliveries(server, `?job_id=${id}`)
    return list[0]?.state === 'delivered' && list
  })
  expect(delivery).toMatchObject({
    id: hook?.headers['webhook-id'],
    event: 'job_finished',
    url,
    next_attempt_at: null,
    attempts: [{ status: 200, error: null }],
  })
})

test('failed, quarantined and cancelled jobs are told as well', async () => {
  const server = await start()
  const { received, url } = await receiver()
  await server.worker('hand-2')
  const work = async (error: object): Promise<void> => {
    const { body: task } = await server.work('GET', '/workers/hand-2/tasks/next?timeout=5')
    await server.work('POST', '/tasks/result', { ...task, worker_id: 'hand-2', status: 'failure', error })
  }
  const shrink = { blueprint: 'shrink', input: { url: 'https://example.org/a.png' }, webhook_url: url }
  const failed = await create(server, shrink)
  await work({ code: 'INVALID_INPUT_ERROR', message: 'no picture' })
  const quarantined = await create(server, shrink)
  await work({ code: 'PERMANENT_ERROR', message: 'broken' })
  const cancelled = await create(server, shrink)
  await server.call('POST', `/api/v1/jobs/${cancelled}/cancel`)
  await until(async () => received.length === 3)
  const told = Object.fromEntries(received.map(({ body }) => [body.job_id, body]))
  expect(told[failed]).toMatchObject({ event: 'job_failed', error: { code: 'INVALID_INPUT_ERROR' } })
  expect(told[quarantined]).toMatchObject({ event: 'job_quarantined', status: 'quarantined' })
  expect(told[cancelled]).toMatchObject({ event: 'job_cancelled' })
})

test('the client’s own address is used where a job names none; null names nowhere; only the events asked for', async () => {
  const { received, url } = await receiver()
  const other = await receiver()
  const server = await start({ clients: { anna: { webhookUrl: url } } })
  const own = await create(server, { blueprint: 'nothing' })
  await create(server, { blueprint: 'nothing', webhook_url: null })
  await create(server, { blueprint: 'nothing', webhook_url: other.url, webhook_events: ['job_failed'] })
  const last = await create(server, { blueprint: 'nothing', webhook_url: url, webhook_events: ['job_finished'] })
  await until(async () => received.length === 2)
  expect(received.map(({ body }) => body.job_id).sort()).toEqual([own, last].sort())
  expect(other.received).toEqual([])
})

test('a receiver that fails gets it again, under the same id; what was given up can be asked for again', async () => {
  const server = await start()
  const { received, url } = await receiver([410])
  await create(server, { blueprint: 'nothing', webhook_url: url })
  const given = await until(async () =>
    (await deliveries(server)).find((each: { state: string }) => each.state === 'failed'),
  )
  expect(given.attempts).toMatchObject([{ status: 410 }])
  const path = `/api/v1/webhooks/deliveries/${encodeURIComponent(given.id)}/redeliver`
  const stranger = await server.call('POST', path, undefined, { 'x-avtomatika-token': tokens.otto })
  expect([stranger.status, stranger.body.code]).toEqual([404, 'DELIVERY_NOT_FOUND'])
  expect((await server.call('POST', path)).body).toMatchObject({ id: given.id, state: 'pending' })
  await until(async () => (await deliveries(server))[0]?.state === 'delivered')
  expect(received.map(({ headers }) => headers['webhook-id'])).toEqual([given.id, given.id])
  expect((await deliveries(server))[0].attempts).toHaveLength(2)
})

test('after a change of the secret both sign for a day, and receivers may hold either', async () => {
  const server = await start()
  const { received, url } = await receiver()
  const [former = ''] = await secretsOf(server)
  const { body } = await server.call('POST', '/api/v1/webhooks/secret/rotate')
  expect(body.secrets).toEqual([expect.stringMatching(/^whsec_/), former])
  await create(server, { blueprint: 'nothing', webhook_url: url })
  const [hook] = await until(async () => received.length > 0 && received)
  for (const secret of body.secrets)
    expect(() => new Webhook(secret).verify(hook?.text ?? '', headersOf(hook as Received))).not.toThrow()
  const others = await server.call('GET', '/api/v1/webhooks/secret', undefined, { 'x-avtomatika-token': tokens.otto })
  expect(() => new Webhook(others.body.secrets[0]).verify(hook?.text ?? '', headersOf(hook as Received))).toThrow()
})

test('a question is told with a link for each of those who are asked, and the link works', async () => {
  const server = await start()
  const { received, url } = await receiver()
  const id = await create(server, { blueprint: 'gate', webhook_url: url })
  const [hook] = await until(async () => received.length > 0 && received)
  expect(hook?.body).toMatchObject({ event: 'approval_requested', job_id: id })
  expect(Object.keys(hook?.body.approval_urls)).toEqual(['one@example.test', 'two@example.test'])
  const link = new URL(hook?.body.approval_urls['two@example.test'])
  expect((await server.call('POST', link.pathname, { decision: 'open' })).status).toBe(200)
  expect((await server.call('GET', `/api/v1/jobs/${id}`)).body.status).toBe('finished')
})

test('addresses that no webhook may have are refused when the job is made', async () => {
  const server = await startServer()
  for (const url of [
    'ftp://example.test/x',
    'no address',
    'http://127.0.0.1:1/x',
    'http://[::1]/',
    'http://u:p@example.test/',
    'http://169.254.169.254/latest',
  ]) {
    const answer = await server.call('POST', '/api/v1/jobs', { blueprint: 'nothing', webhook_url: url })
    expect([answer.status, answer.body.path], url).toEqual([400, 'body.webhook_url'])
  }
})

test('the list goes in pages, and holds one’s own only', async () => {
  const server = await start()
  const { url, received } = await receiver()
  for (let n = 0; n < 5; n += 1) await create(server, { blueprint: 'nothing', webhook_url: url })
  await until(async () => received.length === 5)
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await server.call('GET', `/api/v1/webhooks/deliveries?limit=2${cursor}`)
    seen.push(...body.items.map((each: { id: string }) => each.id))
    cursor = body.next_cursor === null ? '' : `&cursor=${encodeURIComponent(body.next_cursor)}`
  } while (cursor !== '')
  expect(new Set(seen).size).toBe(5)
  expect(seen).toHaveLength(5)
  const others = await server.call('GET', '/api/v1/webhooks/deliveries', undefined, {
    'x-avtomatika-token': tokens.otto,
  })
  expect(others.body).toEqual({ items: [], next_cursor: null })
})
