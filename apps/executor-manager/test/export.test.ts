import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalObjects, type LocalObjects } from '@tutti/objects'
import { silentLogger } from '@tutti/telemetry'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type ExportOptions, exportWorkspace } from '../src/export/export.ts'

let root: string
let workspace: string
let objects: LocalObjects
let puts: string[]
let options: ExportOptions

const run = {
  ...{ run_id: '6a1f0d3e-0d53-4c0a-9d5e-2f0c4a6b7c8d', session_id: '0b7e5f5c-55b1-4a39-8f4e-9f6f0a1b2c3d' },
  ...{ user_id: 'local', attempt: 1 },
}
const sessionPrefix = `workspaces/local/${run.session_id}`

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tutti-export-'))
  workspace = join(root, 'workspace')
  mkdirSync(workspace)
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
    ...{ ignoreDotFiles: true, maxFiles: 100, maxBytes: 1_000_000, tries: 1, pauseMs: 1, parallel: 3 },
    signal: new AbortController().signal,
  }
})
afterEach(() => rmSync(root, { recursive: true }))

const write = (path: string, content = path): void => {
  mkdirSync(join(workspace, path, '..'), { recursive: true })
  writeFileSync(join(workspace, path), content)
}
const store = (more: Partial<typeof run> = {}) =>
  exportWorkspace({ objects, log: silentLogger }, { ...run, ...more }, workspace, options)
const pathsOf = async () => (await store()).files.map(({ path }) => path)
const filePuts = () => puts.filter((key) => key.includes('/files/'))

it('unchanged-files-are-not-uploaded-again', async () => {
  for (const path of ['a.txt', 'b/c.txt', 'b/d.txt']) write(path)
  const first = await store()
  expect(filePuts()).toHaveLength(3)
  write('b/c.txt', 'CHANGED')
  write('new.txt')
  puts = []
  const second = await store({ run_id: run.session_id })
  expect(filePuts().sort()).toEqual([`${second.prefix}/b/c.txt`, `${second.prefix}/new.txt`])
  const keys = new Map(first.files.map(({ path, key }) => [path, key]))
  expect(second.files.find(({ path }) => path === 'a.txt')?.key).toBe(keys.get('a.txt'))
  expect(second.files.find(({ path }) => path === 'b/c.txt')?.key).not.toBe(keys.get('b/c.txt'))
})

it('no-key-is-ever-written-twice-not-even-by-two-attempts-or-holders-of-one-run', async () => {
  write('a.txt', '1')
  await store()
  write('a.txt', '2')
  await store()
  write('a.txt', '3')
  await store({ attempt: 2 })
  const written = puts.filter((key) => key !== `${sessionPrefix}/manifest.json`)
  expect(new Set(written).size).toBe(written.length)
})

it('what-tools-make-again-and-dot-files-are-left-out', async () => {
  const made = ['node_modules/x', '.git/HEAD', 'dist/x', 'build/x', '__pycache__/x', '.venv/x', 'sub/node_modules/x']
  for (const path of [...made, '.env', '.tutti/claude/x', '.config/x', 'kept/.x', 'kept/y']) write(path)
  expect(await pathsOf()).toEqual(['kept/y'])
  options.ignoreDotFiles = false
  expect(await pathsOf()).toEqual(['.config/x', '.env', 'kept/.x', 'kept/y'])
})

it('links-are-neither-exported-nor-followed', async () => {
  mkdirSync(join(root, 'outside'))
  writeFileSync(join(root, 'outside/secret'), 'secret')
  symlinkSync(join(root, 'outside'), join(workspace, 'folder'))
  symlinkSync(join(root, 'outside/secret'), join(workspace, 'file'))
  write('kept')
  expect(await pathsOf()).toEqual(['kept'])
})

it('a-name-that-no-key-can-have-costs-only-that-file', async () => {
  writeFileSync(Buffer.concat([Buffer.from(`${workspace}/`), Buffer.from([0xff, 0xfe])]), 'x')
  writeFileSync(join(workspace, 'line\nbreak'), 'x')
  writeFileSync(join(workspace, 'back\\slash'), 'x')
  write('größe, naïve — 名前.txt')
  expect(await pathsOf()).toEqual(['größe, naïve — 名前.txt'])
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

it('a-manifest-that-was-tampered-with-leads-to-no-other-session', async () => {
  write('a.txt')
  const first = await store()
  const files = first.files.map((file) => ({ ...file, key: 'workspaces/other/secret.txt' }))
  await objects.put(`${sessionPrefix}/manifest.json`, JSON.stringify({ files }))
  expect((await store()).files[0]?.key).toMatch(new RegExp(`^${sessionPrefix}/runs/`))
  for (const broken of ['no json', '[]', '{"files":[{"path":1}]}', 'null']) {
    await objects.put(`${sessionPrefix}/manifest.json`, broken)
    expect((await store()).files).toHaveLength(1)
  }
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
  await expect(exportWorkspace({ objects: slow, log: silentLogger }, run, workspace, options)).rejects.toThrow('lost')
  expect(puts).toHaveLength(1)
})
