import { expect, test } from 'vitest'
import { createWriteInstant } from '../src/views/instant.ts'

test('an instant keeps its meaning in every zone, also where clocks are changed', () => {
  const spring = Date.UTC(2026, 2, 29, 1)
  for (const timeZone of ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu', 'Pacific/Apia']) {
    const write = createWriteInstant(timeZone)
    for (let at = spring - 7_200_000; at < spring + 7_200_000; at += 299_999) expect(Date.parse(write(at))).toBe(at)
  }
  const berlin = createWriteInstant('Europe/Berlin')
  expect(berlin(spring - 1)).toBe('2026-03-29T01:59:59.999+01:00')
  expect(berlin(spring)).toBe('2026-03-29T03:00:00.000+02:00')
  expect(createWriteInstant('America/St_Johns')(Date.UTC(2026, 0, 1))).toBe('2025-12-31T20:30:00.000-03:30')
})
