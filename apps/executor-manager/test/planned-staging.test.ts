import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { StagingPlan } from '@tutti/contracts'
import { createLocalObjects, type LocalObjects } from '@tutti/objects'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ZipFile } from 'yazl'
import { createContentCache } from '../src/files/content-cache.ts'
import { type StagedRun, type StagingOptions, stageRun } from '../src/stage/workspace.ts'

let root: string
let objects: LocalObjects
let reads: string[]
let options: StagingOptions
const run_id = '6a1f0d3e-0d53-4c0a-9d5e-2f0c4a6b7c8d'
const session_id = '0b7e5f5c-55b1-4a39-8f4e-9f6f0a1b2c3d'
const other = '1c7e5f5c-55b1-4a39-8f4e-9f6f0a1b2c3d'

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tutti-planned-'))
  objects = createLocalObjects({ root: join(root, 'objects'), publicUrl: 'http://x', secret: 'secret of tests' })
  reads = []
  options = {
    ...{ workspaceRoot: join(root, 'w'), stagingRoots: [] },
    ...{ maxFolderFiles: 20, maxFolderBytes: 1_000_000, signal: new AbortController().signal },
    ...{ ignoreDotFiles: true, patterns: [], privateHosts: false, repositoryTimeoutMs: 30_000 },
    objects: {
      ...objects,
      get: (key, ...given) => {
        reads.push(key)
        return objects.get(key, ...given)
      },
    },
    cache: createContentCache({ workspaceRoot: join(root, 'w'), maxBytes: 1_000_000 }),
  }
})
afterEach(() => rmSync(root, { recursive: true }))

const stage = (plan: Partial<StagingPlan>, more: Partial<StagedRun> = {}) =>
  stageRun(
    {
      ...{ run_id, session_id, user_id: 'local', config: {}, snapshot_key: null },
      staging: { files: [], folders: [], managed: [], repositories: [], ...plan },
      ...more,
    },
    options,
  )
const workspace = (session = session_id): string => join(root, 'w/active/local', session, 'workspace')
const read = (path: string): string => readFileSync(join(workspace(), path), 'utf8')
const put = async (key: string, content: string | Buffer) => {
  const { size, sha256 } = await objects.put(key, content)
  return { key, size, sha256 }
}

const zipOf = (files: [string, string, number?][]): Promise<Buffer> => {
  const zip = new ZipFile()
  for (const [name, content, mode = 0o100644] of files) zip.addBuffer(Buffer.from(content), name, { mode })
  zip.end()
  return buffer(zip.outputStream as Readable)
}

it('a-second-run-and-another-session-read-nothing-from-object-storage-again', async () => {
  const file = await put('attachments/local/1/a.bin', 'attached')
  const zip = await put(
    'skills/local/x.zip',
    await zipOf([
      ['SKILL.md', 'skill'],
      ['bin/tool', '#!', 0o100755],
    ]),
  )
  await put('plugins/local/p/one', '1')
  const plan: Partial<StagingPlan> = {
    files: [{ path: 'inputs/a.bin', ...file }],
    folders: [
      { path: '.tutti/claude/skills/x', key: zip.key, kind: 'zip', sha256: zip.sha256 },
      { path: '.tutti/claude/plugins/p', key: 'plugins/local/p', kind: 'prefix', sha256: null },
    ],
    managed: ['.tutti/claude/skills', '.tutti/claude/plugins'],
  }
  await stage(plan)
  expect(reads.sort()).toEqual([file.key, 'plugins/local/p/one', zip.key])
  expect(read('inputs/a.bin')).toBe('attached')
  expect(statSync(join(workspace(), '.tutti/claude/skills/x/bin/tool')).mode & 0o777).toBe(0o755)
  const before = lstatSync(join(workspace(), '.tutti/claude/skills/x/SKILL.md')).ino
  reads = []
  await stage(plan, { run_id: other })
  // Not even written again.
  expect(lstatSync(join(workspace(), '.tutti/claude/skills/x/SKILL.md')).ino).toBe(before)
  await stage(plan, { session_id: other })
  expect(readFileSync(join(workspace(other), '.tutti/claude/skills/x/SKILL.md'), 'utf8')).toBe('skill')
  expect(reads).toEqual([])
})

it('a file that is said to be executable is, and one of the same content that is not, is not', async () => {
  const stored = await put('attachments/local/1/tool', '#!/bin/sh\n')
  const text = { content: '#!/bin/sh\n' }
  await stage({
    files: [
      { path: 'bin/stored', ...stored, executable: true },
      { path: 'bin/text', ...text, executable: true },
      { path: 'stored', ...stored },
      { path: 'text', ...text },
    ],
  })
  const modes = ['bin/stored', 'bin/text', 'stored', 'text'].map(
    (path) => statSync(join(workspace(), path)).mode & 0o777,
  )
  expect(modes).toEqual([0o755, 0o755, 0o644, 0o644])
})

it('managed-folders-hold-only-what-is-planned, whatever an agent left there', async () => {
  mkdirSync(join(root, 'outside'))
  writeFileSync(join(root, 'outside/kept'), 'untouched')
  const plan: Partial<StagingPlan> = {
    files: [{ path: '.tutti/claude/commands/do.md', content: 'do' }],
    managed: ['.tutti/claude/commands', '.tutti/claude/agents'],
  }
  await stage(plan)
  const commands = join(workspace(), '.tutti/claude/commands')
  writeFileSync(join(commands, 'do.md'), 'something else')
  writeFileSync(join(commands, 'stale.md'), '')
  mkdirSync(join(commands, 'deep/er'), { recursive: true })
  symlinkSync(join(root, 'outside'), join(commands, 'link'))
  // Nothing was to lie in it, so there is none.
  expect(readdirSync(join(workspace(), '.tutti/claude'))).toEqual(['commands'])
  symlinkSync(join(root, 'outside'), join(workspace(), '.tutti/claude/agents'))
  await stage(plan)
  expect(readdirSync(commands)).toEqual(['do.md'])
  expect(read('.tutti/claude/commands/do.md')).toBe('do')
  expect(readdirSync(join(workspace(), '.tutti/claude/agents'))).toEqual([])
  await stage({ managed: plan.managed ?? [] })
  expect(readdirSync(commands)).toEqual([])
  // The runtime’s own folder as a link: replaced too, and nothing behind it touched.
  rmSync(join(workspace(), '.tutti'), { recursive: true })
  symlinkSync(join(root, 'outside'), join(workspace(), '.tutti'))
  await stage(plan)
  expect(read('.tutti/claude/commands/do.md')).toBe('do')
  expect(readdirSync(join(root, 'outside'))).toEqual(['kept'])
})

it('the-agents-memory-is-never-staged-over', async () => {
  for (const path of [
    '.tutti/claude/projects/x',
    '.tutti/x',
    '.tutti/claude/skillsets/x',
    './.tutti//claude/projects/x',
  ])
    await expect(stage({ files: [{ path, content: '' }] })).rejects.toMatchObject({ code: 'STAGED_PATH_REFUSED' })
  await expect(stage({ managed: ['.tutti/claude'] })).rejects.toMatchObject({ code: 'STAGED_PATH_REFUSED' })
})

it('what-an-agent-does-to-its-file-does-not-reach-the-cache', async () => {
  const file = await put('a', 'shared')
  await stage({ files: [{ path: 'a', ...file }] })
  writeFileSync(join(workspace(), 'a'), 'poison')
  await stage({ files: [{ path: 'a', ...file }] }, { session_id: other })
  expect(readFileSync(join(workspace(other), 'a'), 'utf8')).toBe('shared')
})

it('a-damaged-file-of-the-cache-is-fetched-anew, and a wrong content of the store is refused', async () => {
  const file = await put('a', 'content')
  const wrong = createHash('sha256').update('other').digest('hex')
  await expect(stage({ files: [{ path: 'b', ...file, sha256: wrong }] })).rejects.toMatchObject({
    code: 'STAGING_FAILED',
    retryable: true,
  })
  expect(existsSync(join(workspace(), 'b'))).toBe(false)
  await stage({ files: [{ path: 'a', ...file }] })
  const cached = join(root, 'w/cache/sha256', file.sha256.slice(0, 2), file.sha256)
  rmSync(cached)
  writeFileSync(cached, 'conten!')
  // A process that did not write it itself.
  options.cache = createContentCache({ workspaceRoot: join(root, 'w'), maxBytes: 1_000_000 })
  reads = []
  await stage({ files: [{ path: 'a', ...file }] }, { session_id: other })
  expect(readFileSync(join(workspace(other), 'a'), 'utf8')).toBe('content')
  expect(reads).toEqual(['a'])
  expect(readdirSync(join(root, 'w/temp'))).toEqual([])
})

it('the-cache-stays-below-its-bound-and-drops-what-was-used-longest-ago', async () => {
  options.cache = createContentCache({ workspaceRoot: join(root, 'w'), maxBytes: 3_000 })
  const files = await Promise.all(['a', 'b', 'c', 'd'].map((name) => put(name, name.repeat(900))))
  const place = (at: number, run: string) =>
    stage({ files: files.slice(at, at + 1).map((file) => ({ path: `${at}-${run}`, ...file })) }, { run_id: run })
  const ids = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => run_id.replace(/^./, letter))
  for (const at of [0, 1, 2]) await place(at, ids[at] ?? '')
  await place(0, ids[3] ?? '')
  await place(3, ids[4] ?? '')
  const cached = readdirSync(join(root, 'w/cache/sha256'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
  expect(cached).toContain(files[0]?.sha256)
  expect(cached).not.toContain(files[1]?.sha256)
  expect(cached.length).toBeLessThanOrEqual(3)
})

it.each([
  ['a name that leads out', () => zipOf([['aa/x', '']]).then((zip) => replaced(zip, 'aa/x', '../x'))],
  ['an absolute name', () => zipOf([['a/x', '']]).then((zip) => replaced(zip, 'a/x', '/ax'))],
  ['a backslash', () => zipOf([['a/x', '']]).then((zip) => replaced(zip, 'a/x', 'a\\x'))],
  ['a link', () => zipOf([['link', '/etc/passwd', 0o120777]])],
  ['more than the limit, well packed', () => zipOf([['bomb', '0'.repeat(1_000_001)]])],
  ['more files than the limit', () => zipOf(Array.from({ length: 21 }, (_, at): [string, string] => [`${at}`, '']))],
  ['no zip', async () => Buffer.from('no zip at all')],
])('an-archive-is-refused-that-has: %s', async (_, make) => {
  const zip = await put('x.zip', await make())
  await expect(
    stage({ folders: [{ path: 'in', key: zip.key, kind: 'zip', sha256: zip.sha256 }] }),
  ).rejects.toMatchObject({ code: expect.stringMatching(/ARCHIVE_REFUSED/), retryable: false })
  expect(readdirSync(workspace())).toEqual([])
})

it('a-bomb-that-lies-about-its-size-is-stopped-at-what-it-declared', async () => {
  const content = Buffer.from(await zipOf([['bomb', '0'.repeat(900_000)]]))
  // The size before packing, in the directory at the end: 22 bytes of end record, 46 + 4 of this entry.
  for (let at = content.length - 4; at > 0; at -= 1)
    if (content.readUInt32LE(at) === 900_000) content.writeUInt32LE(10, at)
  const zip = await put('x.zip', content)
  await expect(
    stage({ folders: [{ path: 'in', key: zip.key, kind: 'zip', sha256: zip.sha256 }] }),
  ).rejects.toMatchObject({ code: 'ARCHIVE_REFUSED' })
})

it('an-object-that-is-gone-is-told-and-not-tried-again', async () => {
  await expect(stage({ files: [{ path: 'a', key: 'gone', size: null, sha256: null }] })).rejects.toMatchObject({
    code: 'STAGED_FILE_MISSING',
    retryable: false,
  })
  await expect(stage({ folders: [{ path: 'a', key: 'gone', kind: 'prefix', sha256: null }] })).rejects.toMatchObject({
    code: 'STAGED_FILE_MISSING',
  })
})

/** Another name of the same length, in both places where a zip has it. */
const replaced = (zip: Buffer, from: string, to: string): Buffer =>
  Buffer.from(zip.toString('latin1').replaceAll(from, to), 'latin1')
