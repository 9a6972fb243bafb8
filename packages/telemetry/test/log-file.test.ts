import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLogger, type LoggerOptions } from '../src/index.ts'

let dir: string
let shown: string
let now: number
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'tutti-logs-')), 'logs')
  shown = ''
  now = Date.UTC(2026, 2, 28, 12)
})
afterEach(() => {
  rmSync(join(dir, '..'), { recursive: true, force: true })
})

const oneDay = 86_400_000

const open = (options: Partial<LoggerOptions> = {}, backups = 14) =>
  createLogger(
    { name: 'backend', level: 'INFO', format: 'json', file: { dir, backups }, ...options },
    {
      now: () => now,
      destination: {
        write: (line) => {
          shown += line
        },
      },
    },
  )
const content = (file: string): string => readFileSync(join(dir, file), 'utf8')
const messages = (text: string): string[] =>
  text.split('\n').flatMap((line) => (line === '' ? [] : (JSON.parse(line) as { msg: string }).msg))

it('each-line-is-in-the-file-when-the-call-returns-and-on-standard-output', () => {
  const log = open()
  log.info('one')
  expect(content('backend-2026-03-28.log')).toBe(shown)
  log.child({ job_id: 'j' }).error('two')
  log.debug('not at this level')
  expect(messages(content('backend-2026-03-28.log'))).toEqual(['one', 'two'])
  expect(content('backend-2026-03-28.log')).toBe(shown)
})

it('text-has-no-colours-in-the-file', () => {
  open({ format: 'text' }).warn('careful')
  expect(content('backend-2026-03-28.log')).toContain('careful')
  expect(content('backend-2026-03-28.log')).not.toContain('\u001b')
})

it('a-new-day-of-the-time-zone-begins-a-new-file', () => {
  now = Date.UTC(2026, 2, 28, 22, 59)
  const log = open({ timeZone: 'Europe/Berlin' })
  log.info('late')
  now += 60_000
  log.info('early')
  expect(readdirSync(dir).sort()).toEqual(['backend-2026-03-28.log', 'backend-2026-03-29.log'])
  expect(messages(content('backend-2026-03-29.log'))).toEqual(['early'])
})

it('only-so-many-former-days-are-kept-and-nobody-else’s-files-are-touched', () => {
  const log = open({}, 2)
  log.info('first')
  const others = ['backend-notes.log', 'backend-2026-01-01.log.gz', 'orchestrator-2026-01-01.log', 'other.txt']
  for (const other of others) writeFileSync(join(dir, other), 'x')
  for (let day = 0; day < 5; day += 1) {
    log.info('line')
    now += oneDay
  }
  const own = readdirSync(dir).filter((name) => !others.includes(name))
  expect(own.sort()).toEqual(['backend-2026-03-30.log', 'backend-2026-03-31.log', 'backend-2026-04-01.log'])
  expect(readdirSync(dir)).toEqual(expect.arrayContaining(others))
})

it('with-0-all-days-are-kept', () => {
  const log = open({}, 0)
  for (let day = 0; day < 20; day += 1) {
    log.info('line')
    now += oneDay
  }
  expect(readdirSync(dir)).toHaveLength(20)
})

it('two-processes-write-into-one-file', () => {
  const [one, two] = [open(), open()]
  one.info('a')
  two.info('b')
  one.info('c')
  expect(messages(content('backend-2026-03-28.log'))).toEqual(['a', 'b', 'c'])
})

it('a-folder-that-can’t-be-made-costs-the-file-and-never-the-server-and-is-told-once', () => {
  writeFileSync(dir, 'a file where the folder should be')
  const log = open()
  for (const text of ['one', 'two', 'three']) log.info(text)
  expect(messages(shown).filter((text) => text.includes("can't be written"))).toHaveLength(1)
  expect(messages(shown)).toEqual(expect.arrayContaining(['one', 'two', 'three']))
  rmSync(dir)
  now += 10_000
  log.info('four')
  expect(messages(content('backend-2026-03-28.log'))).toEqual(['four'])
  expect(shown).toContain('"lost":3')
})

it.skipIf(process.platform !== 'linux')('a-disk-that-is-full-costs-lines-of-the-file-and-they-are-counted', () => {
  open().info('before')
  rmSync(join(dir, 'backend-2026-03-28.log'))
  // The device of Linux on which every write fails for want of space.
  symlinkSync('/dev/full', join(dir, 'backend-2026-03-28.log'))
  const log = open()
  log.info('lost')
  log.info('lost as well')
  expect(shown).toContain('ENOSPC')
  rmSync(join(dir, 'backend-2026-03-28.log'))
  now += 10_000
  log.info('after')
  expect(messages(content('backend-2026-03-28.log'))).toEqual(['after'])
  expect(shown).toContain('"lost":2')
})

it('what-is-a-secret-on-standard-output-is-one-in-the-file', () => {
  open().info({ api_key: 'hush' }, 'postgresql://u:hush@h/d')
  expect(content('backend-2026-03-28.log')).not.toContain('hush')
})

it('strangers-can’t-read-it', () => {
  open().info('x')
  // Group and owner at most, whatever the umask.
  const { mode } = statSync(join(dir, 'backend-2026-03-28.log'))
  expect(mode & 0o007).toBe(0)
})
