import { freePort } from '@tutti/stores/testing'
import { expect, test, vi } from 'vitest'
import { createStartWait, silentLogger } from '../src/index.ts'

const away = (error: unknown): boolean => error instanceof Error && error.message.startsWith('away')
const waiting = async (seconds: number) => {
  const port = await freePort()
  const warn = vi.fn()
  const log = { ...silentLogger, warn, info: warn }
  const wait = createStartWait({ service: 'it', host: '127.0.0.1', port, seconds, isAway: away, log })
  const health = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/health`)
    return { status: response.status, body: (await response.json()) as { data: object } }
  }
  return { wait, warn, health }
}

test('start-waits-for-what-is-away-and-says-so-to-whoever-asks-for-its-health', async () => {
  const { wait, warn, health } = await waiting(60)
  let isThere = false
  const part = wait.until('the database', async () => {
    if (!isThere) throw new Error('away: refused')
    return 'it'
  })
  const told = await vi.waitFor(health)
  expect(told).toMatchObject({
    status: 503,
    body: { data: { status: 'starting', waiting_for: 'the database' } },
  })
  // A stranger is not told where it lies.
  expect(JSON.stringify(told.body)).not.toContain('refused')
  isThere = true
  expect(await part).toBe('it')
  // Told once, however often it was tried, and once that it is over.
  expect(warn.mock.calls.map(([, text]) => text)).toEqual([
    'the start waits for the database',
    'what the start waited for is there',
  ])
  await wait.end()
  await expect(health()).rejects.toThrow()
})

test('start-fails-at-once-with-what-no-waiting-cures-and-in-the-end-with-what-stays-away', async () => {
  const { wait } = await waiting(60)
  await expect(wait.until('a bucket', () => Promise.reject(new Error('wrong key')))).rejects.toThrow('wrong key')
  const short = await waiting(0.3)
  let tries = 0
  const failing = short.wait.until('a bucket', async () => {
    tries += 1
    throw new Error('away for good')
  })
  await expect(failing).rejects.toThrow('away for good')
  expect(tries).toBeGreaterThan(1)
  await short.wait.end()
  const none = await waiting(0)
  await expect(none.wait.until('a bucket', () => Promise.reject(new Error('away')))).rejects.toThrow('away')
  expect(none.warn).not.toHaveBeenCalled()
})
