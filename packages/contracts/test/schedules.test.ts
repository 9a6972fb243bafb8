import { expect, test } from 'vitest'
import { ruleOf, scheduleSpec } from '../src/index.ts'

const of = (fields: object) => ruleOf(scheduleSpec.parse({ blueprint: 'x', ...fields }))

test('a spec has one rule, whichever fields it is written with', () => {
  expect(of({ interval_seconds: 60 })).toEqual({ kind: 'interval', seconds: 60 })
  expect(of({ cron: '@daily' })).toEqual({ kind: 'cron', expression: '@daily' })
  const daily = { kind: 'calendar', time: '09:00', days: null, dates: null }
  expect(of({ daily_at: '9:00' })).toEqual(daily)
  expect(of({ time: '09:00' })).toEqual(daily)
  expect(of({ time: '09:00', weekly_days: ['sat'] })).toEqual({ ...daily, days: ['sat'] })
  expect(of({ time: '09:00', weekly_days: ['sat'], monthly_dates: [31] })).toEqual({
    ...daily,
    days: ['sat'],
    dates: [31],
  })
})

test('a spec that was stored can be parsed again', () => {
  const once = scheduleSpec.parse({ blueprint: 'x', time: '7:05', monthly_dates: [1] })
  expect(scheduleSpec.parse(JSON.parse(JSON.stringify(once)))).toEqual(once)
})

test('all faults are told at once, those of single fields and those between fields', () => {
  const { error } = scheduleSpec.safeParse({ blueprint: 5, daily_at: 'noon', cron: '* * * * *', colour: 'red' })
  const told = error?.issues.map(({ code, path }) => [code, path.join('.')])
  expect(told).toContainEqual(['invalid_type', 'blueprint'])
  expect(told).toContainEqual(['invalid_format', 'daily_at'])
  expect(told).toContainEqual(['custom', 'daily_at'])
  expect(told).toContainEqual(['unrecognized_keys', ''])
})
