import { describe, expect, it } from 'vitest'
import { checkSchedules, readSchedules, type SchedulesFile } from '../src/index.ts'

const read = (text: string) => readSchedules({ text, name: 'schedules.toml' })
const faultsOf = (text: string) => read(text).faults ?? []

describe('a valid schedules.toml', () => {
  it('gives each section as a schedule, with the defaults', () => {
    const { schedules } = read(`
[cleanup]
blueprint = "system_cleanup"
interval_seconds = 3600
input_data = { target = "temp_files", since = 2026-01-02T03:04:05Z }

[backup]
blueprint = "full_backup"
weekly_days = ["fri"]
time = "9:00"
client = "anna"
catch_up = "all"
`)
    expect(schedules).toMatchObject([
      {
        id: 'cleanup',
        client: 'scheduler',
        spec: {
          blueprint: 'system_cleanup',
          interval_seconds: 3600,
          input_data: { target: 'temp_files', since: '2026-01-02T03:04:05.000Z' },
          overlap: 'allow',
          enabled: true,
        },
      },
      { id: 'backup', client: 'anna', spec: { weekly_days: ['fri'], time: '09:00', catch_up: 'all' } },
    ])
  })

  it('may be empty', () => expect(read('').schedules).toEqual([]))
})

describe('faults of a schedules.toml', () => {
  const head = '[a]\nblueprint = "x"\n'
  it.each([
    ['no blueprint', '[a]\ninterval_seconds = 5\n', 1, '[a] has no blueprint'],
    ['no rule', head, 1, '[a] says not when it runs'],
    ['two rules', `${head}interval_seconds = 5\ndaily_at = "09:00"\n`, 4, 'can’t stand beside interval_seconds'],
    ['a time that is none', `${head}daily_at = "25:00"\n`, 3, 'must be a time of day'],
    ['a time without quotes', `${head}daily_at = 09:00:00\n`, 3, 'must be a time of day'],
    ['a day that is none', `${head}time = "09:00"\nweekly_days = ["monday"]\n`, 4, 'weekly_days.0 of [a]'],
    ['days without a time', `${head}weekly_days = ["mon"]\n`, 3, 'needs a time'],
    ['day 0', `${head}time = "09:00"\nmonthly_dates = [0]\n`, 4, 'monthly_dates.0 of [a]'],
    ['an interval in words', `${head}interval_seconds = "5"\n`, 3, 'interval_seconds of [a]'],
    ['a cron of words', `${head}cron = "daily"\n`, 3, 'cron of [a] is no cron expression'],
    ['a zone that is none', `${head}interval_seconds = 5\ntimezone = "Mars"\n`, 4, 'IANA'],
    ['a client that is none', `${head}interval_seconds = 5\nclient = 5\n`, 4, 'client of [a] is not a name'],
    ['an infinite input', `${head}interval_seconds = 5\ninput_data = { a = inf }\n`, 4, 'JSON can’t hold'],
    ['an id with a space', '["a b"]\nblueprint = "x"\ninterval_seconds = 5\n', 1, 'can’t be a schedule’s id'],
    ['no section', 'blueprint = "x"\n', 1, 'is not a section'],
    ['broken syntax', `${head}interval_seconds = \n`, 3, 'not valid TOML'],
  ])('%s', (_name, text, line, what) => {
    const faults = faultsOf(text)
    expect(faults).toMatchObject([{ source: 'schedules.toml', line, what: expect.stringContaining(what) }])
    expect(faults[0]?.remedy).not.toBe('')
  })

  it('name the field that was meant', () => {
    expect(faultsOf(`${head}interval_second = 5\n`)).toMatchObject([
      { line: 3, remedy: 'Did you mean interval_seconds?' },
      { line: 1 },
    ])
  })

  it('come all at once', () => {
    const text = '[a]\ndaily_at = "x"\n[b]\nblueprint = 5\ninterval_seconds = 0\n'
    expect(faultsOf(text).map(({ line }) => line)).toEqual([1, 2, 4, 5])
  })
})

it('blueprints and clients that are not there are told with their line, and with what was meant', () => {
  const file = read(`[a]
blueprint = "reprot"
interval_seconds = 5
client = "ana"
[b]
blueprint = "other"
interval_seconds = 5
`) as SchedulesFile
  const check = (known: Parameters<typeof checkSchedules>[1]) =>
    checkSchedules(file, known).map(({ line, remedy }) => [line, remedy])
  expect(check({ blueprints: new Set(['report', 'other']), clients: new Set(['anna']) })).toEqual([
    [2, 'Did you mean report?'],
    [4, 'Did you mean anna?'],
  ])
  expect(check({ clients: null })).toEqual([])
})
