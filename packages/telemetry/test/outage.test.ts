import { expect, onTestFinished, test, vi } from 'vitest'
import { createLogger, createOutage } from '../src/index.ts'

const refused = (): Error => new Error('away: connection refused')

/** A log whose part is away as long as `state.away` says so. */
const stage = () => {
  const lines: { level: string; msg: string; failures?: object; job_id?: string; err?: { message: string } }[] = []
  const state = { away: true, looks: 0, atOnce: 0, mostAtOnce: 0 }
  const outage = createOutage({
    part: 'the store',
    isAway: (error) => error instanceof Error && error.message.startsWith('away'),
    probe: async () => {
      state.looks += 1
      state.atOnce += 1
      state.mostAtOnce = Math.max(state.mostAtOnce, state.atOnce)
      await new Promise((resolve) => setTimeout(resolve, 5))
      state.atOnce -= 1
      if (state.away) throw refused()
    },
    log: createLogger(
      { name: 'it', level: 'DEBUG', format: 'json' },
      { destination: { write: (line) => void lines.push(JSON.parse(line)) } },
    ),
    everyMs: 2,
  })
  onTestFinished(outage.stop)
  const told = (level: string) => lines.filter((line) => line.level === level).map(({ msg }) => msg)
  return { lines, state, outage, told }
}

const goes = 'the store is away: what needs it fails until it is back'

test('what-is-away-is-told-once-with-its-cause-and-once-that-it-is-back-with-what-it-cost', async () => {
  const { lines, state, outage, told } = stage()
  for (let n = 0; n < 3; n += 1) outage.log.error({ err: refused(), job_id: 'j' }, 'request failed')
  outage.log.child({ part: 'loop' }).warn({ err: refused() }, 'a loop failed')
  expect(told('ERROR')).toEqual([goes])
  expect(lines[0]).toMatchObject({ err: { message: 'away: connection refused' }, job_id: 'j' })
  // Nothing is lost for whoever looks closer.
  expect(told('DEBUG')).toEqual(['request failed', 'request failed', 'a loop failed'])
  await vi.waitFor(() => expect(state.looks).toBeGreaterThan(2))
  const lost = outage.tellLost('a connection was lost')
  lost(new Error('reset'))
  expect([told('WARNING'), told('DEBUG').at(-1)]).toEqual([[], 'a connection was lost'])
  state.away = false
  await vi.waitFor(() => expect(told('WARNING')).toHaveLength(1))
  expect(told('WARNING')[0]).toMatch(/^the store is back after [\d.]+ s, in which 4 operations failed$/)
  expect(lines.at(-1)).toMatchObject({ failures: { 'request failed': 3, 'a loop failed': 1 } })
  expect(state.mostAtOnce).toBe(1)
  lost(new Error('reset'))
  expect(told('WARNING').at(-1)).toBe('a connection was lost')
})

test('the-next-outage-is-told-again', async () => {
  const { state, outage, told } = stage()
  state.away = false
  for (const times of [1, 2]) {
    outage.log.error({ err: refused() }, 'request failed')
    await vi.waitFor(() => expect(told('WARNING')).toHaveLength(times))
  }
  expect(told('ERROR')).toEqual([goes, goes])
  const { looks } = state
  await new Promise((resolve) => setTimeout(resolve, 20))
  // Nobody looks at what is there.
  expect(state.looks).toBe(looks)
})

test('a-bug-is-told-each-time-also-while-something-is-away', () => {
  const { outage, told } = stage()
  outage.log.error({ err: refused() }, 'request failed')
  for (let n = 0; n < 2; n += 1) outage.log.error({ err: new TypeError('x is undefined') }, 'request failed')
  outage.log.error('no error at all')
  outage.log.warn({ err: new Error('another') }, 'careful')
  expect(told('ERROR')).toEqual([goes, 'request failed', 'request failed', 'no error at all'])
  expect(told('WARNING')).toEqual(['careful'])
})
