/**
 * The part of the events' benchmark that is the executors': each with its own outbox and relay client. Only the agent is played: it says so
 * many things a second. Is told the {@link Place}s; then, for each {@link Load} that it is told, says how many events it put.
 */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { AgentEvent } from '@tutti/contracts'
import { createOutbox } from '../../../apps/executor/src/outbox.ts'
import { createRelay } from '../../../apps/executor/src/relay.ts'
import type { Load, Place } from './load.ts'
import { stamp } from './stamp.ts'

const open = ({ run_id, attempt, socketPath, token }: Place) => {
  const relay = createRelay({ socketPath, token })
  const outbox = createOutbox({
    ...{ run_id, attempt, send: relay.send, now: Date.now },
    pause: () => delay(100),
  })
  return {
    outbox,
    close: relay.close,
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

const talk = async (
  { outbox }: ReturnType<typeof open>,
  everyMs: number,
  first: number,
  ms: number,
): Promise<number> => {
  const began = performance.now() + first
  let n = 0
  for (; n * everyMs < ms; n += 1) {
    const wait = began + n * everyMs - performance.now()
    if (wait > 0) await delay(wait)
    await outbox.put(saying(n))
  }
  await outbox.flush()
  return n
}

const [places] = (await once(process, 'message')) as [Place[]]
const opened = places.map(open)
process.send?.('ready')
process.on('message', async ({ eventsPerSecond, seconds }: Load) => {
  const everyMs = (1000 * opened.length) / eventsPerSecond
  const puts = await Promise.all(
    opened.map((session, at) => talk(session, everyMs, (at / opened.length) * everyMs, seconds * 1000)),
  )
  process.send?.(puts.reduce((sum, put) => sum + put, 0))
})
await once(process, 'disconnect')
for (const { close } of opened) close()
