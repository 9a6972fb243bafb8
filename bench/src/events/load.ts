/**
 * The part of the events' benchmark that plays managers and executors, in a process of its own: the executors' own outbox and relay
 * client, the managers' own relay and intake, each session with a socket of its own. Only the agent is played: it says so many things a second.
 * Arguments as JSON: {@link Load}. Prints how many events it put as JSON.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { AgentEvent, ClaimedRun } from '@tutti/contracts'
import { createBackendClient, createRelay, defaultSettings, onSocket } from '@tutti/executor-manager'
import { silentLogger } from '@tutti/telemetry'
import { createOutbox } from '../../../apps/executor/src/outbox.ts'
import { createRelay as createRelayClient } from '../../../apps/executor/src/relay.ts'
import { keepLease } from '../../../apps/executor-manager/src/claim/lease.ts'
import { createIntake } from '../../../apps/executor-manager/src/relay/intake.ts'
import { stamp } from './stamp.ts'

export interface Load {
  backendUrl: string
  internalToken: string
  folder: string
  sessions: number
  /** Over all sessions. */
  eventsPerSecond: number
  seconds: number
}

const load = JSON.parse(process.argv[2] ?? '') as Load
const workerId = 'bench'
const backend = createBackendClient({ baseUrl: load.backendUrl, internalToken: load.internalToken, leaseSeconds: 60 })
const never = new Promise<never>(() => {})
const unused = (): never => {
  throw new Error('not part of this measurement')
}

const claim = async (): Promise<ClaimedRun> => {
  const request = { worker_id: workerId, boot_id: 'bench', lease_seconds: 600, wait_seconds: 10 }
  const claimed = await backend.claim(request, new AbortController().signal)
  if (claimed === null) throw new Error('no run came to be claimed')
  await backend.start(claimed.run_id, {
    worker_id: workerId,
    lease_token: claimed.lease_token,
    sandbox: 'bench',
    model: 'm',
  })
  return claimed
}

const open = async (claimed: ClaimedRun, n: number) => {
  const { run_id, session_id, attempt } = claimed
  const socketPath = join(load.folder, `${n}.sock`)
  const token = randomUUID()
  const relay = await createRelay({
    ...{ ...defaultSettings, token, rateLimitWaitMs: 0, log: silentLogger },
    listen: onSocket(socketPath, defaultSettings.requestMs),
    model: { name: 'm', routeOf: () => undefined, costOf: () => null },
  })
  const lease = keepLease(
    { backend, log: silentLogger },
    { claimed, workerId, leaseSeconds: 600, renewWaitMs: 0, renewEveryMs: 200_000 },
  )
  relay.assign({
    turn: {
      ...{ run_id, session_id, attempt, runtime: 'claude', prompt: 'x', model: 'm' },
      permission_mode: 'default',
    },
    intake: createIntake({ backend, log: silentLogger }, { claimed, workerId, lease }),
    commands: lease.commands,
    screenshot: unused,
    account: {
      ...{ begin: async () => ({ n: 1 }), end: () => {}, limitedUntil: () => {}, halted: never, halt: () => undefined },
      ...{ spent: unused, work: () => {}, close: async () => {} },
    },
    egress: [],
  })
  const client = createRelayClient({ socketPath, token })
  const outbox = createOutbox({
    run_id,
    attempt,
    send: client.send,
    now: Date.now,
    pause: () => delay(100),
  })
  return {
    outbox,
    close: async () => {
      await outbox.flush()
      lease.end()
      client.close()
      await relay.close()
    },
  }
}

/** As an agent talks: twenty pieces of text, the message that holds them, and two calls of tools, all over again. */
const saying = (n: number): AgentEvent => {
  const [round, at] = [Math.floor(n / 25), n % 25]
  const parent_tool_use_id = null
  if (at < 20) return { type: 'text_delta', text: ` word ${stamp()} word `, parent_tool_use_id }
  if (at === 20)
    return {
      ...{ type: 'message', role: 'assistant', parent_tool_use_id },
      blocks: [{ type: 'text', text: `${stamp()} ${'word '.repeat(40)}` }],
    }
  const tool_use_id = `toolu_${round}_${at % 2}`
  return at < 23
    ? { ...{ type: 'tool_call', tool_use_id, name: 'Bash', parent_tool_use_id }, input: { command: `echo ${stamp()}` } }
    : { ...{ type: 'tool_result', tool_use_id, is_error: false, duration_ms: 3 }, output: `${stamp()} hello` }
}

const opened: Awaited<ReturnType<typeof open>>[] = []
for (let n = 0; n < load.sessions; n += 1) opened.push(await open(await claim(), n))
process.send?.('ready')
await new Promise((resolve) => process.once('message', resolve))

const everyMs = (1000 * load.sessions) / load.eventsPerSecond
let put = 0
const talk = async ({ outbox }: (typeof opened)[number], first: number): Promise<void> => {
  const began = performance.now() + first
  for (let n = 0; n * everyMs < load.seconds * 1000; n += 1) {
    const wait = began + n * everyMs - performance.now()
    if (wait > 0) await delay(wait)
    await outbox.put(saying(n))
    put += 1
  }
}
await Promise.all(opened.map((session, n) => talk(session, (n / opened.length) * everyMs)))
await Promise.all(opened.map(({ close }) => close()))
process.send?.({ put })
process.disconnect()
