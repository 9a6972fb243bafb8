import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalObjects, type LocalObjects } from '@tutti/objects'
import { silentLogger } from '@tutti/telemetry'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { exportWorkspace } from '../src/export/export.ts'
import { createContentCache } from '../src/files/content-cache.ts'
import { homeOf } from '../src/stage/home.ts'
import { hasConversation } from '../src/stage/resumable.ts'
import { type StagedRun, stageRun } from '../src/stage/workspace.ts'

let root: string
let objects: LocalObjects
let reads: string[]
const session_id = '0b7e5f5c-55b1-4a39-8f4e-9f6f0a1b2c3d'
const runs = ['a', 'b', 'c', 'd'].map((letter) => `${letter}a1f0d3e-0d53-4c0a-9d5e-2f0c4a6b7c8d`)

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tutti-restore-'))
  reads = []
  const store = createLocalObjects({ root: join(root, 'objects'), publicUrl: 'http://x', secret: 'secret of tests' })
  objects = {
    ...store,
    get: (key, ...given) => {
      reads.push(key)
      return store.get(key, ...given)
    },
  }
})
afterEach(() => rmSync(root, { recursive: true }))

const keep = { ignoreDotFiles: true, patterns: [] }
const signal = new AbortController().signal

/** Runs `work` in the session’s workspace on a host, and stores what it left. */
const turn = async (
  host: string,
  run: number,
  snapshot_key: string | null,
  work: (workspace: string) => void = () => undefined,
  more: Partial<StagedRun> & { attempt?: number } = {},
): Promise<string> => {
  const run_id = runs[run] ?? ''
  const home = await stage(host, run, snapshot_key, more)
  work(home.workspace)
  const stored = await exportWorkspace({ objects, log: silentLogger }, { run_id, attempt: more.attempt ?? 1 }, home, {
    ...{ ...keep, maxFiles: 1000, maxBytes: 10_000_000, tries: 1, pauseMs: 1, awayMs: () => 0, parallel: 2, signal },
  })
  return stored.manifest_key
}
const stage = (host: string, run: number, snapshot_key: string | null, more: Partial<StagedRun> = {}) =>
  stageRun(
    {
      ...{ run_id: runs[run] ?? '', session_id, user_id: 'local', config: {}, snapshot_key },
      staging: { files: [], folders: [], managed: [], repositories: [] },
      ...more,
    },
    {
      ...{ ...keep, objects, workspaceRoot: join(root, host), stagingRoots: [], signal },
      ...{ maxFolderFiles: 100, maxFolderBytes: 1_000_000, privateHosts: false, repositoryTimeoutMs: 30_000 },
      cache: createContentCache({ workspaceRoot: join(root, host), maxBytes: 10_000_000 }),
    },
  )
const workspaceOf = (host: string): string => homeOf(join(root, host), 'local', session_id).workspace
const write = (workspace: string, path: string, content = path): void => {
  mkdirSync(join(workspace, path, '..'), { recursive: true })
  writeFileSync(join(workspace, path), content)
}
/** Everything below a folder: what it is, may do, and holds. */
const pictureOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .sort()
    .map((path) => {
      const stats = lstatSync(join(folder, path))
      if (stats.isSymbolicLink()) return `${path} -> ${readlinkSync(join(folder, path))}`
      if (stats.isDirectory()) return `${path}/`
      return `${path} ${stats.mode & 0o111} ${readFileSync(join(folder, path), 'utf8')}`
    })

it('a-host-without-the-workspace-rebuilds-all-of-it: files, links, git, memory, empty folders', async () => {
  const key = await turn('one', 0, null, (workspace) => {
    for (const path of ['a.txt', 'deep/er/b.txt', '.env', '.tutti/claude/projects/-workspace/s-1.jsonl'])
      write(workspace, path)
    write(workspace, 'tool.sh', '#!/bin/sh')
    chmodSync(join(workspace, 'tool.sh'), 0o755)
    write(workspace, 'line\nbreak')
    symlinkSync('/etc/passwd', join(workspace, 'outward'))
    symlinkSync('deep', join(workspace, 'inward'))
    mkdirSync(join(workspace, 'empty'))
    const git = (...args: string[]) => execFileSync('git', ['-C', workspace, ...args])
    git('init', '-q', '-b', 'build')
    git('add', 'a.txt')
    git('-c', 'user.name=n', '-c', 'user.email=e', 'commit', '-qm', 'first')
  })
  await stage('two', 1, key)
  expect(pictureOf(workspaceOf('two'))).toEqual(pictureOf(workspaceOf('one')))
  expect(await hasConversation(workspaceOf('two'), 's-1')).toBe(true)
  const log = execFileSync('git', ['-C', workspaceOf('two'), 'log', '--format=%s', 'build'], { encoding: 'utf8' })
  expect(log).toBe('first\n')
  expect(execFileSync('git', ['-C', workspaceOf('two'), 'fsck', '--strict'], { encoding: 'utf8' })).toBe('')
})

it('a-session-that-went-on-elsewhere-is-brought-up-to-date, fetching only what differs', async () => {
  const first = await turn('one', 0, null, (workspace) => {
    for (const path of ['same.txt', 'changed.txt', 'removed/x.txt', 'node_modules/kept.js']) write(workspace, path)
  })
  const second = await turn('two', 1, first, (workspace) => {
    write(workspace, 'changed.txt', 'CHANGED')
    write(workspace, 'new.txt')
    rmSync(join(workspace, 'removed'), { recursive: true })
  })
  reads = []
  await stage('one', 2, second)
  expect(reads.filter((key) => key.includes('/blobs/'))).toHaveLength(2)
  expect(pictureOf(workspaceOf('one'))).toEqual([
    'changed.txt 0 CHANGED',
    'new.txt 0 new.txt',
    'node_modules/',
    'node_modules/kept.js 0 node_modules/kept.js',
    'same.txt 0 same.txt',
  ])
})

it('on-its-own-host-nothing-is-read-back, and a second try goes on with what the first one left', async () => {
  const first = await turn('one', 0, null, (workspace) => write(workspace, 'a.txt'))
  reads = []
  const { workspace } = await stage('one', 1, first)
  write(workspace, 'half.txt')
  // It died; the backend still names the snapshot before.
  await stage('one', 1, first)
  expect(readdirSync(workspace)).toEqual(['a.txt', 'half.txt'])
  // It stored what it left, and the backend never heard of it.
  const unheard = await turn('one', 1, first)
  expect(unheard).not.toBe(first)
  await stage('one', 1, first, {})
  expect(readdirSync(workspace)).toEqual(['a.txt', 'half.txt'])
  expect(reads).toEqual([])
})

it('a-restore-that-was-interrupted-is-done-again', async () => {
  const first = await turn('one', 0, null, (workspace) => {
    write(workspace, 'a.txt')
    write(workspace, 'b.txt')
  })
  const second = await turn('two', 1, first, (workspace) => {
    write(workspace, 'a.txt', 'new a')
    write(workspace, 'b.txt', 'new b')
  })
  const real = objects
  objects = {
    ...real,
    get: (key, ...given) => {
      if (key.includes('/blobs/')) throw new Error('the line is cut')
      return real.get(key, ...given)
    },
  }
  await expect(stage('one', 2, second)).rejects.toMatchObject({ code: 'STAGING_FAILED', retryable: true })
  objects = real
  // Even for the state that it had before.
  await stage('one', 2, first)
  expect(pictureOf(workspaceOf('one'))).toEqual(['a.txt 0 a.txt', 'b.txt 0 b.txt'])
})

it('a-parked-run-that-goes-on-elsewhere-keeps-what-was-done-to-its-files', async () => {
  const staging = { files: [{ path: 'task.md', content: 'given' }], folders: [], managed: [], repositories: [] }
  const parked = await turn('one', 0, null, (workspace) => write(workspace, 'task.md', 'worked on'), { staging })
  const { workspace } = await stage('two', 0, parked, { staging })
  expect(readFileSync(join(workspace, 'task.md'), 'utf8')).toBe('worked on')
  await stage('two', 1, parked, { staging })
  expect(readFileSync(join(workspace, 'task.md'), 'utf8')).toBe('given')
})

it('links-in-the-way-of-a-restore-are-replaced, not followed', async () => {
  mkdirSync(join(root, 'outside'))
  writeFileSync(join(root, 'outside/file'), 'untouched')
  const first = await turn('one', 0, null, (workspace) => write(workspace, 'folder/file'))
  const second = await turn('two', 1, first, (workspace) => write(workspace, 'folder/file', 'new'))
  const here = workspaceOf('one')
  rmSync(join(here, 'folder'), { recursive: true })
  symlinkSync(join(root, 'outside'), join(here, 'folder'))
  symlinkSync(join(root, 'outside/file'), join(here, 'file'))
  await stage('one', 2, second)
  expect(pictureOf(here)).toEqual(['folder/', 'folder/file 0 new'])
  expect(readFileSync(join(root, 'outside/file'), 'utf8')).toBe('untouched')
})

it('a-snapshot-that-is-gone-or-leads-to-a-stranger-is-refused', async () => {
  const key = await turn('one', 0, null, (workspace) => write(workspace, 'a.txt'))
  const refused = { code: 'RESTORE_FAILED', retryable: false }
  await expect(stage('two', 1, `${key}x`)).rejects.toMatchObject(refused)
  const { stream } = await objects.get(key)
  const text = (await stream.toArray()).join('')
  await objects.put(key, text.replaceAll('workspaces/local/', 'workspaces/stranger/'))
  await expect(stage('two', 1, key)).rejects.toMatchObject({ ...refused, message: expect.stringContaining('owner') })
  await objects.put(key, text.replace('"path":"a.txt"', '"path":"../a.txt"'))
  await expect(stage('two', 1, key)).rejects.toMatchObject(refused)
  await expect(stage('three', 1, key, { user_id: 'stranger' })).rejects.toMatchObject(refused)
  expect(existsSync(join(root, 'two/active/local', session_id, 'a.txt'))).toBe(false)
})

it('a-fork-stores-its-files-under-its-own-prefix', async () => {
  const key = await turn('one', 0, null, (workspace) => write(workspace, 'a.txt'))
  const fork = { session_id: '1c7e5f5c-55b1-4a39-8f4e-9f6f0a1b2c3d' }
  const forked = await turn('two', 1, key, () => undefined, fork)
  expect(forked).toContain(fork.session_id)
  await objects.deletePrefix(`workspaces/local/${session_id}/`)
  const { workspace } = await stage('three', 2, forked, fork)
  expect(pictureOf(workspace)).toEqual(['a.txt 0 a.txt'])
})
