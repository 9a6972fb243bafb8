import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { findCgroups } from './cgroup-find.ts'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cgroup-find-'))
  mkdirSync(join(root, 'self'))
})
afterEach(() => rmSync(root, { recursive: true }))

/** A /proc that describes these mounts, each an ordinary directory. */
function proc(groups: string, mounts: [dir: string, type: string, options: string][]): string {
  writeFileSync(join(root, 'self/cgroup'), groups)
  const lines = mounts.map(([dir, type, options]) => {
    mkdirSync(join(root, dir), { recursive: true })
    return `30 24 0:26 / ${join(root, dir)} rw,nosuid shared:9 - ${type} ${type} ${options}\n`
  })
  writeFileSync(join(root, 'self/mountinfo'), lines.join(''))
  return root
}

it('off-finds-nothing', () => {
  expect(findCgroups('off').parents).toEqual([])
})

it('a-tree-that-has-another-owner-is-left-alone', () => {
  const given = proc('4:memory:/system.slice/other.service\n8:pids:/user.slice\n', [
    ['memory', 'cgroup', 'rw,memory'],
    ['pids', 'cgroup', 'rw,pids'],
  ])
  const found = findCgroups('auto', given)
  expect(found.parents).toEqual([])
  expect(found.notes).toEqual([
    'the memory controller belongs to somebody else here (own group /system.slice/other.service)',
    'the pids controller belongs to somebody else here (own group /user.slice)',
    'the cpu controller is not mounted',
  ])
})

it('a-controller-that-is-not-mounted-is-said', () => {
  expect(findCgroups('auto', proc('0::/\n', [])).notes).toEqual([
    'the memory controller is not mounted',
    'the pids controller is not mounted',
    'the cpu controller is not mounted',
  ])
})

it('a-new-group-without-its-files-is-not-used-and-not-left-behind', () => {
  // An ordinary directory makes no limit files: as where the controller is not enabled for children.
  const given = proc('8:pids:/\n', [['pids', 'cgroup', 'rw,pids']])
  const found = findCgroups('auto', given)
  expect(found.parents).toEqual([])
  expect(found.notes[1]).toMatch(/a new group has no pids\.max/)
  expect(readdirSync(join(root, 'pids/tutti'))).toEqual([])
})
