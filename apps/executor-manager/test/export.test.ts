import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type PrivateManifest, privateManifest, type WorkspaceManifest, workspaceManifest } from '@tutti/contracts'
import { createLocalObjects, type LocalObjects } from '@tutti/objects'
import { silentLogger } from '@tutti/telemetry'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type ExportOptions, exportWorkspace } from '../src/export/export.ts'
import { type Home, homeOf } from '../src/stage/home.ts'

let root: string
let home: Home
let workspace: string
let objects: LocalObjects
let puts: string[]
let options: ExportOptions

const run = {
  ...{ run_id: '6a1f0d3e-0d53-4c0a-9d5e-2f0c4a6b7c8d', session_id: '0b7e5f5c-55b1-4a39-8f4e-9f6f0a1b2c3d' },
  attempt: 1,
}
const sessionPrefix = `workspaces/local/${run.session_id}`

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tutti-export-'))
  home = homeOf(root, 'local', run.session_id)
  workspace = home.workspace
  mkdirSync(workspace, { recursive: true })
  puts = []
  const store = createLocalObjects({ root: join(root, 'objects'), publicUrl: 'http://x', secret: 'secret of tests' })
  objects = {
    ...store,
    put: (key, ...given) => {
      puts.push(key)
      return store.put(key, ...given)
    },
  }
  options = {
    ...{
      ignoreDotFiles: true,
      patterns: [],
      maxFiles: 100,
      maxBytes: 1_000_000,
      tries: 1,
      pauseMs: 1,
      awayMs: () => 0,
      parallel: 3,
    },
    signal: new AbortController().signal,
  }
})
afterEach(() => rmSync(root, { recursive: true }))

const write = (path: string, content = path): void => {
  mkdirSync(join(workspace, path, '..'), { recursive: true })
  writeFileSync(join(workspace, path), content)
}
const store = (more: Partial<typeof run> = {}) =>
  exportWorkspace({ objects, log: silentLogger }, { ...run, ...more }, home, options)
const pathsOf = async () => (await store()).files.map(({ path }) => path)
const blobPuts = () => puts.filter((key) => key.includes('/blobs/'))
const manifestOf = async (key: string): Promise<WorkspaceManifest> =>
  workspaceManifest.parse(JSON.parse(await text((await objects.get(key)).stream)))
const hiddenOf = async (key: string): Promise<PrivateManifest> =>
  privateManifest.parse(JSON.parse(await text((await objects.get((await manifestOf(key)).private_key)).stream)))

it('unchanged-files-are-neither-read-nor-uploaded-again', async () => {
  for (const path of ['a.txt', 'b/c.txt', 'b/d.txt']) write(path)
  const long = new Date('2020-01-01')
  utimesSync(join(workspace, 'a.txt'), long, long)
  const first = await store()
  expect(blobPuts()).toHaveLength(3)
  // Another content of the same size, time and inode: only who reads it again would see it.
  writeFileSync(join(workspace, 'a.txt'), 'A.TXT')
  utimesSync(join(workspace, 'a.txt'), long, long)
  write('b/c.txt', 'CHANGED')
  write('new.txt')
  puts = []
  const second = await store({ run_id: run.session_id })
  expect(blobPuts()).toHaveLength(2)
  const keys = new Map(first.files.map(({ path, key }) => [path, key]))
  expect(second.files.find(({ path }) => path === 'b/d.txt')?.key).toBe(keys.get('b/d.txt'))
  expect(second.files.find(({ path }) => path === 'b/c.txt')?.key).not.toBe(keys.get('b/c.txt'))
})

it('a-snapshot-of-a-run-is-not-changed-by-later-runs-attempts-or-holders', async () => {
  write('a.txt', '1')
  const first = await store()
  const before = await manifestOf(first.manifest_key)
  write('a.txt', '2')
  const late = await store()
  rmSync(join(workspace, 'a.txt'))
  write('b.txt', '3')
  const last = await store({ attempt: 2 })
  const written = puts.filter((key) => key !== `${sessionPrefix}/manifest.json`)
  expect(new Set(written).size).toBe(written.length)
  expect(await manifestOf(first.manifest_key)).toEqual(before)
  expect(await text((await objects.get(before.files[0]?.key ?? '')).stream)).toBe('1')
  expect((await manifestOf(late.manifest_key)).deleted).toEqual([])
  expect((await manifestOf(last.manifest_key)).deleted).toEqual(['a.txt'])
  expect(await manifestOf(`${sessionPrefix}/manifest.json`)).toEqual(await manifestOf(last.manifest_key))
})

it('what-tools-make-again-and-what-the-operator-ignores-is-left-out, dot files and git are kept and not shown', async () => {
  const made = ['node_modules/x', 'dist/x', 'build/x', '__pycache__/x', '.venv/x', 'sub/node_modules/x', 'big/x.bin']
  const hidden = ['.env', '.tutti/claude/x', '.config/x', 'kept/.x', '.git/refs/heads/build', '.git/HEAD']
  for (const path of [...made, ...hidden, 'kept/y', '.tutti-0123']) write(path)
  mkdirSync(join(workspace, '.git/refs/tags'), { recursive: true })
  options.patterns = ['*.bin']
  const first = await store()
  expect(first.files.map(({ path }) => path)).toEqual(['kept/y'])
  const kept = await hiddenOf(first.manifest_key)
  expect(kept.files.map(({ path }) => path)).toEqual(hidden.sort())
  expect(kept.folders).toEqual(['.git/refs/tags', 'big', 'sub'])
  options.ignoreDotFiles = false
  expect(await pathsOf()).toEqual(['.config/x', '.env', 'kept/.x', 'kept/y'])
})

it('an-interrupted-export-goes-on-where-it-was', async () => {
  for (let index = 0; index < 20; index += 1) write(`${index}`)
  options.parallel = 1
  const real = objects
  let left = 10
  objects = {
    ...real,
    put: async (...given) => {
      left -= 1
      if (left < 0) throw new Error('gone')
      return real.put(...given)
    },
  }
  await expect(store()).rejects.toMatchObject({ code: 'EXPORT_FAILED' })
  expect(blobPuts()).toHaveLength(10)
  objects = real
  puts = []
  rmSync(home.known)
  expect((await store()).files).toHaveLength(20)
  expect(blobPuts()).toHaveLength(10)
})

it('a-file-that-changes-while-it-is-read-is-stored-as-one-of-its-states-or-not-at-all', async () => {
  const big = join(workspace, 'big')
  writeFileSync(big, Buffer.alloc(3 * 1024 * 1024, 'a'))
  write('still')
  const real = objects
  let changes = 1
  objects = {
    ...real,
    head: async (key) => {
      // Between the hash and the upload.
      changes -= 1
      if (changes >= 0) writeFileSync(big, Buffer.alloc(3 * 1024 * 1024, `${changes}`))
      return real.head(key)
    },
  }
  options.maxBytes = 10_000_000
  const one = (await store()).files.find(({ path }) => path === 'big')
  expect(one?.sha256).toBe(
    createHash('sha256')
      .update(Buffer.alloc(3 * 1024 * 1024, '0'))
      .digest('hex'),
  )
  writeFileSync(big, Buffer.alloc(3 * 1024 * 1024, 'b'))
  changes = 1_000
  const { manifest_key, files } = await store()
  expect(files.map(({ path }) => path)).toEqual(['still'])
  expect((await manifestOf(manifest_key)).skipped).toEqual([{ path: 'big', reason: 'changing' }])
})

it('a-giant-with-holes-costs-only-itself', async () => {
  write('kept')
  write('giant')
  truncateSync(join(workspace, 'giant'), 1024 ** 4)
  const { manifest_key, files } = await store()
  expect(files.map(({ path }) => path)).toEqual(['kept'])
  expect((await manifestOf(manifest_key)).skipped).toEqual([{ path: 'giant', reason: 'size' }])
})

it('pipes-sockets-and-devices-are-passed-by, hard links are two files of one content', async () => {
  write('a', 'same')
  linkSync(join(workspace, 'a'), join(workspace, 'b'))
  execFileSync('mknod', [join(workspace, 'pipe'), 'p'])
  if (process.getuid?.() === 0) execFileSync('mknod', [join(workspace, 'device'), 'c', '1', '3'])
  const server = createServer().listen(join(workspace, 's'))
  await once(server, 'listening')
  try {
    const { files } = await store()
    expect(files.map(({ path, key }) => [path, key === files[0]?.key])).toEqual([
      ['a', true],
      ['b', true],
    ])
    expect(blobPuts()).toHaveLength(1)
  } finally {
    server.close()
  }
})

it('links-are-neither-exported-nor-followed', async () => {
  mkdirSync(join(root, 'outside'))
  writeFileSync(join(root, 'outside/secret'), 'secret')
  symlinkSync(join(root, 'outside'), join(workspace, 'folder'))
  symlinkSync(join(root, 'outside/secret'), join(workspace, 'file'))
  write('kept')
  expect(await pathsOf()).toEqual(['kept'])
})

it('a-name-that-is-not-utf-8-costs-only-that-file, and one that no key can have is kept and not shown', async () => {
  writeFileSync(Buffer.concat([Buffer.from(`${workspace}/`), Buffer.from([0xff, 0xfe])]), 'x')
  writeFileSync(join(workspace, 'line\nbreak'), 'x')
  writeFileSync(join(workspace, 'back\\slash'), 'x')
  write('größe, naïve — 名前.txt')
  const { manifest_key, files } = await store()
  expect(files.map(({ path }) => path)).toEqual(['größe, naïve — 名前.txt'])
  expect((await hiddenOf(manifest_key)).files.map(({ path }) => path)).toEqual(['back\\slash', 'line\nbreak'])
  expect((await manifestOf(manifest_key)).skipped).toEqual([{ path: '\uFFFD\uFFFD', reason: 'name' }])
})

it('too-much-is-refused-in-words', async () => {
  for (let index = 0; index < 5; index += 1) write(`${index}`)
  options.maxFiles = 4
  await expect(store()).rejects.toMatchObject({ code: 'WORKSPACE_TOO_LARGE', retryable: false })
  options.maxFiles = 5
  options.maxBytes = 4
  await expect(store()).rejects.toMatchObject({ code: 'WORKSPACE_TOO_LARGE' })
  expect(puts).toEqual([])
})

it('nothing-more-is-written-once-the-lease-is-lost', async () => {
  for (let index = 0; index < 20; index += 1) write(`${index}`)
  const lost = new AbortController()
  options.signal = lost.signal
  options.parallel = 1
  const slow = {
    ...objects,
    put: (...given: Parameters<LocalObjects['put']>) => {
      lost.abort(new Error('lost'))
      return objects.put(...given)
    },
  }
  await expect(exportWorkspace({ objects: slow, log: silentLogger }, run, home, options)).rejects.toThrow('lost')
  expect(puts).toHaveLength(1)
})
