import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ConfigError, defaultPullSchedule, loadManager, readPullSchedule } from '../src/index.ts'

const read = (text: string, name = 'pull.toml') => readPullSchedule({ text, name })
const placed = (text: string, name?: string) =>
  (read(text, name).faults ?? []).map(({ source, line, what, remedy }) => `${source}:${line} ${what} → ${remedy}`)

const toml = `
enabled = true

[[rules]]
kind = "interval"
id = "immediate"
schedule_modes = ["immediate", "scheduled"]
seconds = 2
start_immediately = true

[[rules]]
kind = "window"
id = "nightly"
cron = { hour = 22, minute = 30, day_of_week = "mon-fri" }
timezone = "Europe/Berlin"
window_minutes = 360
poll_interval_seconds = 5
bootstrap_lookback_hours = 48
bootstrap_max_iterations = 5000
`
const json = JSON.stringify(
  {
    enabled: true,
    rules: [
      {
        ...{ kind: 'interval', id: 'immediate', schedule_modes: ['immediate', 'scheduled'] },
        ...{ seconds: 2, start_immediately: true },
      },
      {
        ...{ kind: 'window', id: 'nightly', cron: { hour: 22, minute: 30, day_of_week: 'mon-fri' } },
        ...{ timezone: 'Europe/Berlin', window_minutes: 360, poll_interval_seconds: 5 },
        ...{ bootstrap_lookback_hours: 48, bootstrap_max_iterations: 5000 },
      },
    ],
  },
  null,
  2,
)

describe('a valid file', () => {
  it('says the same in TOML and in JSON', () => {
    expect(read(toml).schedule).toEqual({
      enabled: true,
      rules: [
        {
          ...{ kind: 'interval', id: 'immediate', enabled: true, modes: ['immediate', 'scheduled'] },
          ...{ everySeconds: 2, startImmediately: true },
        },
        {
          ...{ kind: 'window', id: 'nightly', enabled: true, modes: ['nightly'], everySeconds: 5 },
          ...{ pattern: '0 30 22 * * mon,tue,wed,thu,fri *', timeZone: 'Europe/Berlin', windowMinutes: 360 },
          cron: { hour: 22, minute: 30, day_of_week: 'mon-fri' },
        },
      ],
    })
    expect(read(json, 'pull.json')).toEqual(read(toml))
  })

  it.each([
    ['{ hour = 2 }', '0 0 2 * * * *'],
    ['{ minute = "*/15" }', '0 0,15,30,45 * * * * *'],
    ['{ hour = "22-23", second = 5 }', '5 * 22,23 * * * *'],
    ['{ day = "last", hour = 1 }', '0 0 1 L * * *'],
    ['{ month = "jan,JUL", day = 1 }', '0 0 0 1 1,7 * *'],
    ['{ day_of_week = 6, hour = 4 }', '0 0 4 * * sun *'],
    ['{ day_of_week = "fri" }', '0 0 0 * * fri *'],
    ['{ year = 2027 }', '0 0 0 1 1 * 2027'],
    ['{ hour = "1-9/4", timezone = "Asia/Tokyo" }', '0 0 1,5,9 * * * *'],
  ])('reads the fields %s', (cron, pattern) => {
    const rule = read(`[[rules]]\nkind = "window"\nid = "w"\ncron = ${cron}\n`).schedule?.rules[0]
    expect(rule).toMatchObject({ pattern, timeZone: cron.includes('Tokyo') ? 'Asia/Tokyo' : 'UTC' })
  })
})

describe('faults', () => {
  it('come all at once, each at its line', () => {
    expect(
      placed(`enabled = "yes"
[[rules]]
kind = "interval"
id = "a"
secnds = 2

[[rules]]
kind = "windo"
id = "b"

[[rules]]
kind = "window"
id = "c"
window_minutes = 0
timezone = "Mars"
  [rules.cron]
  hour = 25
  week = 3

[[rules]]
kind = "interval"
id = "Not A Mode"
`),
    ).toEqual([
      'pull.toml:1 enabled is wrong: Invalid input: expected boolean, received string → See “When runs are taken” in the guide of agents.',
      'pull.toml:5 rules.0 has an unknown field “secnds” → Did you mean seconds?',
      'pull.toml:8 rules.1.kind is neither “interval” nor “window” → Write kind = "interval" or kind = "window".',
      'pull.toml:14 rules.2.window_minutes must be more than 0 → See “When runs are taken” in the guide of agents.',
      'pull.toml:15 rules.2.timezone must be an IANA time zone, such as UTC or Europe/Moscow → See “When runs are taken” in the guide of agents.',
      'pull.toml:17 rules.2.cron.hour must be * or numbers from 0 to 23, such as 0, 0-2, */2 or 0,3 → See “When runs are taken” in the guide of agents.',
      'pull.toml:18 rules.2.cron has an unknown field “week” → Remove it; there are: year, month, day, day_of_week, hour, minute, second, timezone.',
      'pull.toml:22 rules.3.id can’t be the name of a mode, and the rule has no schedule_modes → See “When runs are taken” in the guide of agents.',
    ])
  })

  it('of JSON have their lines, too', () => {
    expect(
      placed(
        '{"rules": [\n  {"kind": "interval", "id": "a"},\n  {"kind": "interval",\n   "id": "a", "seconds": 1}]}',
        'x.json',
      ),
    ).toEqual(['x.json:4 rules.1.id is “a”, as that of rules.0 → Give each rule its own id.'])
    expect(
      placed('{"rules": [\n {"text": "a\\"b,]",\n  "kind": "interval", "id": "a", "seconds": 0}]}', 'x.json'),
    ).toEqual([
      expect.stringContaining('x.json:2 rules.0 has an unknown field “text”'),
      expect.stringContaining('x.json:3 rules.0.seconds must be more than 0'),
    ])
    expect(placed('{"rules": [\n  {"kind": ', 'x.json')).toEqual([expect.stringContaining('x.json:2 not valid JSON')])
  })

  it.each([
    ['no cron', 'kind = "window"\nid = "w"\n'],
    ['an empty cron', 'kind = "window"\nid = "w"\ncron = {}\n'],
    ['a range that ends before it begins', 'kind = "window"\nid = "w"\ncron = { hour = "22-6" }\n'],
    ['a fraction of an hour', 'kind = "window"\nid = "w"\ncron = { hour = 2.5 }\n'],
    ['an unknown day', 'kind = "window"\nid = "w"\ncron = { day_of_week = "8" }\n'],
    ['a wrong zone in the cron', 'kind = "window"\nid = "w"\ncron = { hour = 2, timezone = "Berlin" }\n'],
    ['a field of the other kind', 'kind = "interval"\nid = "w"\nwindow_minutes = 5\n'],
    ['an empty id', 'kind = "interval"\nid = " "\n'],
  ])('%s is one', (_, rule) => expect(placed(`[[rules]]\n${rule}`)).toHaveLength(1))

  it('are a missing rule, a file that is not there, and an ending that says no format', () => {
    expect(placed('enabled = true\n')).toHaveLength(1)
    expect(placed('rules = []\n')).toHaveLength(1)
    expect(readPullSchedule({ path: '/nowhere/pull.toml' }).faults).toMatchObject([{ what: 'the file does not exist' }])
    expect(read('', 'pull.yaml').faults).toMatchObject([{ what: expect.stringContaining('neither .toml nor .json') }])
  })

  it('keep the manager from starting, together with those of the environment', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tutti-pull-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'pull.toml')
    writeFileSync(path, 'enabled = 1\nrules = []\n')
    const env = {
      ...{ BACKEND_URL: 'http://x', INTERNAL_API_TOKEN: 'a-token-of-32-characters-or-more!', WORKSPACE_ROOT: folder },
      ...{ ANTHROPIC_API_KEY: 'k', SCHEDULE_CONFIG_PATH: path },
    }
    const faults = (() => {
      try {
        loadManager({ ...env, MAX_CONCURRENT_TASKS: 'many' })
      } catch (error) {
        return error instanceof ConfigError ? error.faults : []
      }
      return []
    })()
    expect(faults.map(({ source, line, variable }) => [source === path ? 'file' : source, line ?? variable])).toEqual([
      ['environment', 'MAX_CONCURRENT_TASKS'],
      ['file', 1],
      ['file', 2],
    ])
    writeFileSync(path, toml)
    expect(loadManager(env).schedule).toEqual(read(toml).schedule)
    const { SCHEDULE_CONFIG_PATH: _, ...without } = env
    expect(loadManager({ ...without, TASK_PULL_INTERVAL_SECONDS: '7' }).schedule).toEqual(defaultPullSchedule(7))
  })
})
