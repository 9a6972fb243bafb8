import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { StoredRecord } from '@tutti/engine'
import { createMemoryStore } from '@tutti/stores'
import { createLogger } from '@tutti/telemetry'
import { Webhook } from 'standardwebhooks'
import { afterEach, expect, test } from 'vitest'
import { asNew, deliveryOf } from '../../src/webhooks/delivery.ts'
import { createWebhookSecrets } from '../../src/webhooks/secrets.ts'
import { createWebhookSender } from '../../src/webhooks/sender.ts'

interface Received {
  headers: Record<string, string>
  body: string
}
const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
})

const receiver = async (answer: (request: IncomingMessage, response: ServerResponse) => void) => {
  const received: Received[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      received.push({ headers: request.headers as Record<string, string>, body })
      answer(request, response)
    })
  })
  servers.push(server)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return { received, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` }
}
const answering = (status: number, headers: Record<string, string> = {}) =>
  receiver((_request, response) => response.writeHead(status, headers).end('thank you'))

const secrets = createWebhookSecrets({ store: createMemoryStore(), signingKey: Buffer.alloc(32, 7) })
const log = createLogger({ name: 'test', level: 'ERROR', format: 'json', timeZone: 'UTC' })
const sender = (options: { allowPrivate?: boolean; timeoutMs?: number } = {}) =>
  createWebhookSender({
    secrets,
    options: { timeoutMs: 5_000, allowPrivate: true, ...options },
    complete: (payload) => payload,
    log,
    random: () => 0.5,
  })
const aDelivery = (url: string, event = 'job_finished'): StoredRecord => ({
  kind: 'webhook',
  id: 'd-1',
  owner: 'client-a',
  ref: 'job-1',
  rev: 1,
  dueAt: 0,
  expiresAt: null,
  body: { url, event, payload: { event, job_id: 'job-1', status: 'finished', result: { n: 1, text: 'é"\n' } } },
})

test('what is sent verifies with the public library, and is not sent again', async () => {
  const { received, url } = await answering(204)
  const after = await sender()(aDelivery(url))
  const [got] = received
  const [secret = ''] = await secrets.current('client-a')
  expect(new Webhook(secret).verify(got?.body ?? '', got?.headers ?? {})).toEqual(aDelivery(url).body.payload)
  expect(got?.headers['webhook-id']).toBe('d-1')
  expect(after).toMatchObject({
    rev: 2,
    dueAt: null,
    body: { state: 'delivered', attempts: [{ status: 204, error: null }] },
  })
  expect(after.expiresAt).toBeGreaterThan(Date.now() + 29 * 86_400_000)
})

test("another client's secret, a changed body and an old time do not verify", async () => {
  const { received, url } = await answering(200)
  await sender()(aDelivery(url))
  const { body = '', headers = {} } = received[0] ?? {}
  const [own = ''] = await secrets.current('client-a')
  const [other = ''] = await secrets.current('client-b')
  expect(() => new Webhook(other).verify(body, headers)).toThrow()
  expect(() => new Webhook(own).verify(`${body} `, headers)).toThrow()
  expect(() => new Webhook(own).verify(body, { ...headers, 'webhook-timestamp': '1700000000' })).toThrow()
})

test('after a change of the secret both the new and the former one verify', async () => {
  const { received, url } = await answering(200)
  const [before = ''] = await secrets.current('client-c')
  const [now = '', former] = await secrets.rotate('client-c')
  expect(former).toBe(before)
  expect(now).not.toBe(before)
  await sender()({ ...aDelivery(url), owner: 'client-c' })
  const { body = '', headers = {} } = received[0] ?? {}
  for (const secret of [now, before]) expect(() => new Webhook(secret).verify(body, headers)).not.toThrow()
})

test('a failure is tried again after growing pauses, and given up at last', async () => {
  const { received, url } = await answering(500)
  let record = aDelivery(url)
  const pauses: number[] = []
  for (let tries = 0; deliveryOf(record).state === 'pending' && tries < 20; tries += 1) {
    record = await sender()(record)
    if (record.dueAt !== null) pauses.push(Math.round((record.dueAt - Date.now()) / 1000))
  }
  expect(deliveryOf(record)).toMatchObject({ state: 'failed', tries: 10 })
  expect(received).toHaveLength(10)
  expect(pauses).toHaveLength(9)
  expect(pauses.every((pause, at) => at === 0 || pause >= (pauses[at - 1] ?? 0))).toBe(true)
  expect(record.dueAt).toBeNull()
})

test('what was given up can be asked for again, under the same id', async () => {
  const { received, url } = await answering(200)
  const failed: StoredRecord = {
    ...aDelivery(url),
    rev: 9,
    dueAt: null,
    expiresAt: 5,
    body: { ...aDelivery(url).body, state: 'failed', tries: 10 },
  }
  const again = asNew(failed, 1_000)
  expect(again).toMatchObject({ rev: 10, dueAt: 1_000, expiresAt: null })
  expect(deliveryOf(await sender()(again)).state).toBe('delivered')
  expect(received[0]?.headers['webhook-id']).toBe('d-1')
})

test('Retry-After is waited for', async () => {
  const { url } = await answering(429, { 'retry-after': '3600' })
  const after = await sender()(aDelivery(url))
  expect((after.dueAt ?? 0) - Date.now()).toBeGreaterThan(3_500_000)
})

test('410 is the end: the receiver is gone', async () => {
  const { url } = await answering(410)
  expect(deliveryOf(await sender()(aDelivery(url))).state).toBe('failed')
})

test('a redirect is not followed, wherever it leads', async () => {
  const inside = await answering(200)
  const { url } = await answering(302, { location: inside.url })
  const after = await sender()(aDelivery(url))
  expect(inside.received).toHaveLength(0)
  expect(deliveryOf(after)).toMatchObject({ state: 'pending', attempts: [{ status: 302 }] })
})

test('a private address is never connected to', async () => {
  const { received, url } = await answering(200)
  const guarded = sender({ allowPrivate: false })
  for (const address of [url, url.replace('127.0.0.1', 'localhost'), url.replace('127.0.0.1', '[::ffff:127.0.0.1]')]) {
    const after = await guarded(aDelivery(address))
    expect(deliveryOf(after).attempts[0]).toMatchObject({
      status: null,
      error: 'the address leads to a private address',
    })
  }
  expect(received).toHaveLength(0)
})

test('a receiver that never answers costs no more than the time limit', async () => {
  const { url } = await receiver(() => {})
  const after = await sender({ timeoutMs: 200 })(aDelivery(url))
  expect(deliveryOf(after).attempts[0]).toMatchObject({ status: null, error: 'no answer within 0.2 s' })
})

test('a receiver whose answer never ends is as good as one that answered', async () => {
  const { url } = await receiver((_request, response) => {
    response.writeHead(200)
    const pour = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536))) {}
    }
    response.on('drain', pour)
    pour()
  })
  expect(deliveryOf(await sender()(aDelivery(url))).state).toBe('delivered')
})

test('nobody listens: told as it is', async () => {
  const { url } = await answering(200)
  const [server] = servers.splice(0)
  server?.closeAllConnections()
  await new Promise((done) => server?.close(done))
  expect(deliveryOf(await sender()(aDelivery(url))).attempts[0]?.error).toContain('ECONNREFUSED')
})
