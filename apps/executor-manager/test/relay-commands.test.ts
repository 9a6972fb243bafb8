import type { TurnCommand } from '@tutti/contracts'
import { afterEach, expect, it } from 'vitest'
import type { Commands } from '../src/claim/commands.ts'
import type { StoreScreenshot } from '../src/relay/assignment.ts'
import { createRelayRig, type RelayRig } from './support/relay.ts'

let rig: RelayRig
afterEach(() => rig.close())

const said: TurnCommand[] = [
  { n: 1, type: 'message', id: 'a', text: 'x' },
  { n: 2, type: 'interrupt' },
]

/** Gives what is there, or waits until the signal ends it. */
const source = (commands: TurnCommand[] = said, waiting?: () => void): Commands => ({
  after: async (n, signal) => {
    const fresh = commands.filter((command) => command.n > n)
    if (fresh.length > 0) return fresh
    waiting?.()
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  },
})

const assign = (more: { commands?: Commands; screenshot?: StoreScreenshot } = {}) =>
  rig.relay.assign({ ...rig.assignment, ...more })
const path = (after: number | string, run = rig.turn.run_id) => `/v1/turns/${run}/commands?after=${after}`

it('commands-are-given-by-number-and-asking-again-loses-none', async () => {
  rig = await createRelayRig()
  assign({ commands: source() })
  expect(JSON.parse((await rig.ask(path(0))).body)).toEqual({ commands: said })
  expect(JSON.parse((await rig.ask(path(0))).body)).toEqual({ commands: said })
  expect(JSON.parse((await rig.ask(path('nonsense'))).body)).toEqual({ commands: said })
  expect(JSON.parse((await rig.ask(path(1))).body)).toEqual({ commands: said.slice(1) })
  expect((await rig.ask(path(2))).status).toBe(204)
})

it('a-turn-to-which-nobody-can-speak-has-no-commands', async () => {
  rig = await createRelayRig()
  assign()
  expect((await rig.ask(path(0))).status).toBe(204)
})

it('who-waits-for-commands-is-told-that-the-turn-is-over', async () => {
  const waiting = Promise.withResolvers<void>()
  rig = await createRelayRig({ settings: { turnPollMs: 60_000 } })
  assign({ commands: source([], waiting.resolve) })
  const asked = rig.ask(path(0))
  await waiting.promise
  rig.relay.withdraw()
  expect((await asked).status).toBe(410)
  expect((await rig.ask(path(0))).status).toBe(410)
})

it('commands-of-another-run-are-not-told', async () => {
  rig = await createRelayRig()
  assign({ commands: source() })
  expect((await rig.ask(path(0, rig.turn.session_id))).status).toBe(410)
  expect((await rig.ask(path(0), { token: 'wrong' })).status).toBe(401)
})

it('a-source-that-fails-is-an-error-that-the-executor-tries-again', async () => {
  rig = await createRelayRig()
  assign({ commands: { after: () => Promise.reject(new Error('away')) } })
  expect((await rig.ask(path(0))).status).toBe(500)
})

const png = `\u0089PNG\r\n\u001a\n`
const picture = (id: string, run = rig.turn.run_id) => `/v1/screenshots?run_id=${run}&tool_use_id=${id}`

it('a-picture-is-kept-under-its-tool-call-and-what-is-none-is-refused', async () => {
  rig = await createRelayRig()
  const kept: [string, number][] = []
  const screenshot: StoreScreenshot = async (id, bytes) => {
    kept.push([id, bytes.length])
    return `key/${id}`
  }
  const body = Buffer.from(`${png}rest`, 'latin1')
  expect((await rig.ask(picture('t_1'), { bytes: body })).status).toBe(409)
  assign({ screenshot })
  expect(await rig.ask(picture('t_1'), { bytes: body })).toMatchObject({ status: 200, body: '{"key":"key/t_1"}' })
  expect((await rig.ask(picture('t_1', rig.turn.session_id), { bytes: body })).status).toBe(409)
  for (const id of ['', '..%2F..%2Fx', 'a%00', 'x'.repeat(129)])
    expect((await rig.ask(picture(id), { bytes: body })).status).toBe(400)
  expect((await rig.ask(picture('t_2'), { body: 'GIF89a' })).status).toBe(415)
  // It is refused for what it says it has: the rest is never read.
  const large = { 'content-length': String(6 * 1024 * 1024) }
  expect((await rig.ask(picture('t_3'), { bytes: body, headers: large })).status).toBe(413)
  expect(kept).toEqual([['t_1', body.length]])
})
