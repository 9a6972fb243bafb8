import { expect, test } from 'vitest'
import { createBatcher } from '../src/batcher.ts'

/** A call that answers when it is told to. */
const held = () => {
  const calls: { items: number[]; answer: (outputs?: number[]) => void; fail: (error: unknown) => void }[] = []
  const call = (items: number[]): Promise<number[]> =>
    new Promise((resolve, reject) => {
      calls.push({ items, answer: (outputs = items.map((item) => item * 10)) => resolve(outputs), fail: reject })
    })
  return { calls, call }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('an item alone goes at once and waits for nobody', async () => {
  const { calls, call } = held()
  const batcher = createBatcher({ maxBatch: 10, maxInFlight: 1, call })
  const answered = batcher.add(1)
  await Promise.resolve()
  expect(calls.map((each) => each.items)).toEqual([[1]])
  calls[0]?.answer()
  expect(await answered).toBe(10)
})

test('what is ready in one turn shares a call, and each gets its own answer', async () => {
  const { calls, call } = held()
  const batcher = createBatcher({ maxBatch: 10, maxInFlight: 1, call })
  const answers = Promise.all([3, 1, 2].map(batcher.add))
  await turn()
  expect(calls.map((each) => each.items)).toEqual([[3, 1, 2]])
  calls[0]?.answer()
  expect(await answers).toEqual([30, 10, 20])
})

test('while calls are on their way items gather, in their order, up to the largest batch', async () => {
  const { calls, call } = held()
  const batcher = createBatcher({ maxBatch: 3, maxInFlight: 2, call })
  const items = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  const answers = Promise.all(items.map(batcher.add))
  await turn()
  expect(calls.map((each) => each.items)).toEqual([
    [1, 2, 3],
    [4, 5, 6],
  ])
  const late = batcher.add(10)
  calls[1]?.answer()
  await turn()
  expect(calls[2]?.items).toEqual([7, 8, 9])
  calls[0]?.answer()
  await turn()
  expect(calls[3]?.items).toEqual([10])
  for (const each of calls) each.answer()
  expect(await answers).toEqual(items.map((item) => item * 10))
  expect(await late).toBe(100)
})

test('calls keep their distance where they are told to, and neither one alone nor a full batch waits for it', async () => {
  const { calls, call } = held()
  const batcher = createBatcher({ maxBatch: 3, maxInFlight: 3, everyMs: 1_000_000, call })
  const answers = [batcher.add(1)]
  await turn()
  answers.push(batcher.add(2))
  await turn()
  answers.push(batcher.add(3))
  await turn()
  expect(calls.map((each) => each.items)).toEqual([[1]])
  answers.push(batcher.add(4))
  await turn()
  expect(calls.map((each) => each.items)).toEqual([[1], [2, 3, 4]])
  for (const each of calls) each.answer()
  expect(await Promise.all(answers)).toEqual([10, 20, 30, 40])
  const soon = createBatcher({ maxBatch: 3, maxInFlight: 3, everyMs: 20, call: async (items: number[]) => items })
  const began = performance.now()
  expect(await soon.add(1)).toBe(1)
  expect(await soon.add(2)).toBe(2)
  expect(performance.now() - began).toBeGreaterThanOrEqual(20)
})

test('a call that fails fails its own items, and no others', async () => {
  const { calls, call } = held()
  const batcher = createBatcher({ maxBatch: 2, maxInFlight: 1, call })
  const settled = Promise.allSettled([1, 2, 3].map(batcher.add))
  await turn()
  calls[0]?.fail(new Error('lost'))
  await turn()
  calls[1]?.answer()
  expect((await settled).map((each) => each.status)).toEqual(['rejected', 'rejected', 'fulfilled'])
})

test('a call that throws at once, or answers too few, is a failed call', async () => {
  const throws = createBatcher<number, number>({
    maxBatch: 2,
    maxInFlight: 1,
    call: () => {
      throw new Error('at once')
    },
  })
  await expect(throws.add(1)).rejects.toThrow('at once')
  await expect(throws.add(1)).rejects.toThrow('at once')
  const short = createBatcher<number, number>({ maxBatch: 2, maxInFlight: 1, call: async () => [] })
  await expect(short.add(1)).rejects.toThrow('1 items, 0 answers')
})

test('idle is told when nothing waits and nothing is on its way', async () => {
  const { calls, call } = held()
  const batcher = createBatcher({ maxBatch: 1, maxInFlight: 1, call })
  await batcher.idle()
  const answers = [batcher.add(1), batcher.add(2)]
  let idle = false
  const waited = batcher.idle().then(() => {
    idle = true
  })
  await turn()
  calls[0]?.answer()
  await turn()
  expect(idle).toBe(false)
  calls[1]?.answer()
  await waited
  expect(await Promise.all(answers)).toEqual([10, 20])
})
