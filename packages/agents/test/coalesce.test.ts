import { type AgentEvent, isDelta } from '@tutti/contracts'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { coalesceDeltas } from '../src/coalesce.ts'

const text = (value: string, parent: string | null = null): AgentEvent => ({
  type: 'text_delta',
  text: value,
  parent_tool_use_id: parent,
})
const thinking = (value: string): AgentEvent => ({ type: 'thinking_delta', text: value, parent_tool_use_id: null })
const todo: AgentEvent = { type: 'todo', todos: [] }

async function* stream(events: AgentEvent[]): AsyncGenerator<AgentEvent> {
  yield* events
}

const never = () => new Promise<void>(() => {})

const collect = (events: AgentEvent[], after: () => Promise<void>): Promise<AgentEvent[]> =>
  Array.fromAsync(coalesceDeltas(stream(events), { after }))

it('lets the first word through at once and joins what follows within the window', async () => {
  expect(
    await collect(
      ['a', 'b', 'c', 'd'].map((letter) => text(letter)),
      never,
    ),
  ).toEqual([text('a'), text('bcd')])
})

it('shows what is held when the window ends, without waiting for the next event', async () => {
  const window = Promise.withResolvers<void>()
  const more = Promise.withResolvers<void>()
  const source = async function* (): AsyncGenerator<AgentEvent> {
    yield text('a')
    yield text('b')
    await more.promise
    yield text('c')
  }
  const events = coalesceDeltas(source(), { after: () => window.promise })
  expect((await events.next()).value).toEqual(text('a'))
  const held = events.next()
  window.resolve()
  expect((await held).value).toEqual(text('b'))
  more.resolve()
})

it('never lets a delta pass the event that came after it', async () => {
  const sent = [text('a'), text('b'), todo, text('c'), thinking('d'), text('e', 'sub'), text('f', 'sub')]
  expect(await collect(sent, never)).toEqual([text('a'), text('b'), todo, text('c'), thinking('d'), text('ef', 'sub')])
})

it('loses no character and keeps the order, however the events come', async () => {
  const event = fc.oneof(
    fc.string({ minLength: 1 }).map((value) => text(value)),
    fc.string({ minLength: 1 }).map(thinking),
    fc.constant(todo),
  )
  // What is left when neighbours that belong together are joined must be the same before and after.
  const joinedUp = (events: AgentEvent[]): string[] => {
    const parts: string[] = []
    let last: string | undefined
    for (const item of events) {
      if (isDelta(item) && item.type === last) parts.push(`${parts.pop()}${item.text}`)
      else parts.push(isDelta(item) ? `${item.type}:${item.text}` : item.type)
      last = isDelta(item) ? item.type : undefined
    }
    return parts
  }
  await fc.assert(
    fc.asyncProperty(fc.array(event), fc.boolean(), async (events, windowsEnd) => {
      const after = windowsEnd ? () => Promise.resolve() : never
      expect(joinedUp(await collect(events, after))).toEqual(joinedUp(events))
    }),
  )
})

it('ends its source when the reader leaves early', async () => {
  let ended = false
  const source = async function* (): AsyncGenerator<AgentEvent> {
    try {
      yield todo
      yield todo
    } finally {
      ended = true
    }
  }
  for await (const _event of coalesceDeltas(source(), { after: never })) break
  expect(ended).toBe(true)
})
