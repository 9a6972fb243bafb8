import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@tutti/telemetry'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createSessionGate, type SessionGate } from '../src/claim/sessions.ts'
import { type CleanupOptions, cleanUp } from '../src/cleanup/cleanup.ts'
import { type Home, homeOf, type Meta, makeHome, noteMeta } from '../src/stage/home.ts'
import { createStage } from './support/stage.ts'

const hour = 3_600_000
const day = 24 * hour
const user = "o'brien@mail.example"
let root: string
let gate: SessionGate
let options: CleanupOptions
let sessions = 0

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tutti-cleanup-'))
  gate = createSessionGate()
  options = { workspaceRoot: root, maxAgeMs: 24 * hour, archive: false, archiveMs: 7 * day }
})
afterEach(() => rmSync(root, { recursive: true }))

const idOf = (number: number): string => `0b7e5f5c-55b1-4a39-8f4e-${String(number).padStart(12, '0')}`

/** A workspace that object storage has, last used so long ago. */
const workspace = async (ageMs: number, change: Partial<Meta> = {}): Promise<Home> => {
  sessions += 1
  const home = homeOf(root, user, idOf(sessions))
  await makeHome(home)
  writeFileSync(join(home.workspace, 'file'), 'content')
  const last_used_at = new Date(Date.now() - ageMs).toISOString()
  await noteMeta(home, idOf(0), { changed: false, stored_key: 'key', last_used_at, ...change })
  return home
}
const clean = (later = 0) => cleanUp({ gate, log: silentLogger, now: () => new Date(Date.now() + later) }, options)
const packed = (): string[] =>
  readdirSync(root, { recursive: true })
    .map(String)
    .filter((path) => path.startsWith('archive/') && path.endsWith('.tar.gz'))

it('what-was-not-used-for-longer-than-the-age-goes, and nothing younger', async () => {
  const [old, young] = [await workspace(25 * hour), await workspace(23 * hour)]
  expect(await clean()).toEqual({ removed: 1, kept: 0, expired: 0 })
  expect([existsSync(old.folder), existsSync(young.folder)]).toEqual([false, true])
  options.maxAgeMs = 22 * hour
  expect((await clean()).removed).toBe(1)
  expect(readdirSync(join(root, 'active'))).toEqual([])
  expect(readdirSync(join(root, 'temp'))).toEqual([])
})

it('nothing-goes-that-object-storage-has-not: changed, never stored, unknown', async () => {
  const changed = await workspace(1000 * hour, { changed: true })
  const never = await workspace(1000 * hour, { stored_key: null })
  const unknown = await workspace(0)
  writeFileSync(join(unknown.folder, 'meta.json'), 'damaged')
  expect(await clean(1000 * hour)).toEqual({ removed: 0, kept: 3, expired: 0 })
  for (const { workspace: path } of [changed, never, unknown]) expect(readdirSync(path)).toEqual(['file'])
})

it('a-workspace-with-a-run-at-work-stays, and one that begins meanwhile waits', async () => {
  const home = await workspace(1000 * hour)
  const leave = await gate.enter(home.sessionId)
  expect((await clean()).removed).toBe(0)
  leave()
  const held = gate.tryEnter(home.sessionId)
  let entered = false
  const waiting = gate.enter(home.sessionId).then((release) => {
    entered = true
    return release
  })
  await Promise.resolve()
  expect(entered).toBe(false)
  expect(gate.tryEnter(home.sessionId)).toBeUndefined()
  held?.()
  ;(await waiting)()
  expect((await clean()).removed).toBe(1)
})

it('a-workspace-in-the-hands-of-another-living-manager-stays', async () => {
  const living = await workspace(1000 * hour, { status: 'active', pid: process.ppid })
  const dead = await workspace(1000 * hour, { status: 'active', pid: 2 ** 30 })
  expect((await clean()).removed).toBe(1)
  expect([existsSync(living.folder), existsSync(dead.folder)]).toEqual([true, false])
})

it('with-archives-a-workspace-is-packed-before-it-goes, links as links', async () => {
  options.archive = true
  const home = await workspace(25 * hour)
  mkdirSync(join(home.workspace, '.dot'))
  symlinkSync('/etc/passwd', join(home.workspace, 'link'))
  await clean()
  expect(existsSync(home.folder)).toBe(false)
  const [archive = ''] = packed()
  expect(archive).toMatch(new RegExp(`^archive/o%27brien@mail.example/\\d{4}-\\d\\d-\\d\\d/${home.sessionId}.tar.gz$`))
  const listed = execFileSync('tar', ['-tvzf', join(root, archive)], { encoding: 'utf8' })
  expect(listed).toContain('workspace/file')
  expect(listed).toContain('workspace/.dot/')
  expect(listed).toContain('workspace/link -> /etc/passwd')
})

it('a-workspace-that-can-not-be-packed-stays', async () => {
  options.archive = true
  const home = await workspace(25 * hour)
  // In the way of the archive's folder.
  writeFileSync(join(root, 'archive'), '')
  expect((await clean()).removed).toBe(0)
  expect(existsSync(home.workspace)).toBe(true)
})

it('archives-expire', async () => {
  options.archive = true
  await workspace(25 * hour)
  await clean()
  expect(await clean(6 * day)).toMatchObject({ expired: 0 })
  expect(packed()).toHaveLength(1)
  expect(await clean(8 * day)).toMatchObject({ expired: 1 })
  expect(readdirSync(join(root, 'archive'))).toEqual([])
})

it('what-an-interrupted-process-left-half-made-goes-after-a-day', async () => {
  mkdirSync(join(root, 'temp/clone-1'), { recursive: true })
  mkdirSync(join(root, 'temp/clone-2'))
  const past = new Date(Date.now() - 25 * hour)
  utimesSync(join(root, 'temp/clone-1'), past, past)
  await clean()
  expect(readdirSync(join(root, 'temp'))).toEqual(['clone-2'])
})

it.each([
  ['WORKSPACE_CLEANUP_ENABLED', { workspaceCleanupEnabled: false }, { there: true, archives: 0 }],
  ['WORKSPACE_MAX_AGE_HOURS', { workspaceMaxAgeHours: 30 }, { there: true, archives: 0 }],
  ['WORKSPACE_ARCHIVE_ENABLED', { workspaceArchiveEnabled: false }, { there: false, archives: 0 }],
  ['WORKSPACE_ARCHIVE_DAYS', { workspaceArchiveDays: 1e-9 }, { there: false, archives: 0 }],
  ['none', {}, { there: false, archives: 1 }],
])('a-manager-honours %s', async (_, config, expected) => {
  const stage = await createStage({ workspaceCleanupEnabled: true, workspaceCleanupIntervalHours: 1e-6, ...config })
  const own = root
  try {
    root = stage.config.workspaceRoot
    const first = await workspace(25 * hour)
    const manager = await stage.start({ config: { ...stage.config, taskPullEnabled: false } })
    const gone = async (home: Home) => {
      while (existsSync(home.folder)) await new Promise(setImmediate)
    }
    if (!expected.there) {
      await gone(first)
      // After the interval, another time.
      await gone(await workspace(25 * hour))
    }
    await manager.stop()
    expect(existsSync(first.folder)).toBe(expected.there)
    expect(packed().length > 0).toBe(expected.archives > 0)
  } finally {
    await stage.close()
    root = own
  }
})
