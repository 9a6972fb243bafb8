/** Budgets that all instances share. */
import type { Draw, Drawn } from '@tutti/engine'
import { expect, test } from 'vitest'
import type { Current } from './subject.ts'

export const drawSuite = (current: Current): void => {
  const far = 4_000_000_000_000
  /** Refilled so slowly that nothing comes back while a test runs. */
  const bucket = (want: number, patch: Partial<Draw> = {}, capacity = 10, refillPerMs = 1e-12): Draw => ({
    key: 'k',
    want,
    budget: { kind: 'bucket', capacity, refillPerMs },
    ...patch,
  })
  const window = (want: number, patch: Partial<Draw> = {}, capacity = 10, until = far): Draw => ({
    key: 'w',
    want,
    budget: { kind: 'window', capacity, until },
    ...patch,
  })
  const draw = async (request: Draw): Promise<Drawn> => {
    const [drawn] = await current().store.draw([request])
    if (!drawn) throw new Error('the draw gave no answer')
    return drawn
  }

  test.each([
    ['bucket', bucket],
    ['window', window],
  ] as const)('a %s gives what it has, all or nothing, and no more', async (_, of) => {
    expect(await draw(of(0))).toMatchObject({ granted: 0, retryAt: null })
    expect((await draw(of(0))).left).toBeCloseTo(10)
    expect(await draw(of(7))).toMatchObject({ granted: 7, retryAt: null })
    const refused = await draw(of(4))
    expect(refused.granted).toBe(0)
    expect(refused.left).toBeCloseTo(3)
    expect(refused.retryAt).not.toBeNull()
    expect((await draw(of(3))).granted).toBe(3)
    expect((await draw(of(1))).granted).toBe(0)
  })

  test('one who takes part rather than nothing gets whole numbers, and is told when the rest could come', async () => {
    const { store } = current()
    await draw(bucket(7.5))
    const part = await draw(bucket(4, { partial: true }))
    expect(part.granted).toBe(2)
    expect(part.left).toBeCloseTo(0.5)
    expect(part.retryAt).toBeGreaterThan(store.now())
    expect(await draw(bucket(4, { partial: true }))).toMatchObject({ granted: 0 })
    expect(await draw(window(14, { partial: true }))).toMatchObject({ granted: 10, left: 0, retryAt: far })
  })

  test('what can never be granted is never promised', async () => {
    expect(await draw(bucket(11))).toMatchObject({ granted: 0, retryAt: null })
    expect(await draw(window(11))).toMatchObject({ granted: 0, retryAt: null })
    expect(await draw(bucket(10, { key: 'still' }, 10, 0))).toMatchObject({ granted: 10 })
    expect(await draw(bucket(1, { key: 'still' }, 10, 0))).toMatchObject({ granted: 0, retryAt: null })
  })

  test('a bucket is refilled evenly, up to its capacity, and says when', async () => {
    const perSecond = (want: number) => bucket(want, {}, 10, 10 / 1_000)
    const began = performance.now()
    expect((await draw(perSecond(10))).granted).toBe(10)
    const five = (await draw(perSecond(5))).retryAt ?? Number.NaN
    const nine = (await draw(perSecond(9))).retryAt ?? Number.NaN
    // Instants of the server's clock, which is known here only to within a round trip: they are held against each other.
    expect(Math.abs(nine - five - 400)).toBeLessThanOrEqual(1)
    await expect.poll(async () => (await draw(perSecond(5))).granted, { timeout: 10_000, interval: 5 }).toBe(5)
    // Never before they have come.
    expect(performance.now() - began).toBeGreaterThanOrEqual(498)
    await expect.poll(async () => (await draw(perSecond(0))).left, { timeout: 10_000 }).toBe(10)
  })

  test('a window begins anew with a later end, and one who comes with an earlier end counts with the present one', async () => {
    expect((await draw(window(10))).granted).toBe(10)
    expect(await draw(window(1, {}, 10, far - 1_000))).toMatchObject({ granted: 0, retryAt: far })
    expect(await draw(window(4, {}, 10, far + 1_000))).toMatchObject({ granted: 4, left: 6 })
    expect(await draw(window(7))).toMatchObject({ granted: 0, left: 6, retryAt: far + 1_000 })
  })

  test('a capacity that is changed counts from now on', async () => {
    await draw(window(6))
    expect(await draw(window(1, {}, 5))).toMatchObject({ granted: 0, left: 0 })
    expect(await draw(window(10, {}, 20))).toMatchObject({ granted: 10, left: 4 })
    await draw(bucket(2))
    expect((await draw(bucket(0, {}, 5))).left).toBeCloseTo(5)
  })

  test('less than nothing gives back, never beyond the capacity', async () => {
    for (const of of [bucket, window]) {
      await draw(of(8))
      expect(await draw(of(-3))).toMatchObject({ granted: -3, retryAt: null })
      expect((await draw(of(0))).left).toBeCloseTo(5)
      expect((await draw(of(-50))).left).toBe(10)
      expect((await draw(of(10))).granted).toBe(10)
    }
  })

  test('several draws of one call count one after another, each on its own key', async () => {
    const { store } = current()
    const draws = [window(6), bucket(6), window(6), window(4), bucket(-6), bucket(9), window(1, { key: 'other' })]
    expect((await store.draw(draws)).map(({ granted }) => granted)).toEqual([6, 6, 0, 4, -6, 9, 1])
    expect(await store.draw([])).toEqual([])
  })

  test('two clients that draw at once never take more than there is', async () => {
    const clients = [current().store, await current().second()]
    const keys = ['x', 'y', 'z']
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, at) => {
        const draws = keys.map((key) => window(1, { key }, 25))
        // In opposite orders: neither may wait for the other for ever.
        return clients[at % 2]?.draw(at % 2 ? draws : draws.reverse())
      }),
    )
    const granted = answers.flat().reduce((sum, drawn) => sum + (drawn?.granted ?? 0), 0)
    expect(granted).toBe(75)
  })
}
