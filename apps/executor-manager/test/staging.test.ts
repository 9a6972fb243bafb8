import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalObjects } from '@tutti/objects'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createContentCache } from '../src/files/content-cache.ts'
import { hasConversation } from '../src/stage/resumable.ts'
import { type StagedRun, type StagingOptions, stageRun } from '../src/stage/workspace.ts'

let root: string
let options: StagingOptions
const run_id = '6a1f0d3e-0d53-4c0a-9d5e-2f0c4a6b7c8d'
const session_id = '0b7e5f5c-55b1-4a39-8f4e-9f6f0a1b2c3d'

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tutti-staging-'))
  mkdirSync(join(root, 'allowed'))
  options = {
    ...{ workspaceRoot: join(root, 'w'), stagingRoots: [join(root, 'allowed')] },
    ...{ maxFolderFiles: 20, maxFolderBytes: 1_000_000, signal: new AbortController().signal },
    ...{ ignoreDotFiles: true, patterns: [], privateHosts: false, repositoryTimeoutMs: 30_000 },
    objects: createLocalObjects({ root: join(root, 'objects'), publicUrl: 'http://x', secret: 'secret of tests' }),
    cache: createContentCache({ workspaceRoot: join(root, 'w'), maxBytes: 1_000_000 }),
  }
})
afterEach(() => rmSync(root, { recursive: true }))

const run = (workspace: StagedRun['config']['workspace'], more: Partial<StagedRun> = {}): StagedRun => ({
  ...{ run_id, session_id, user_id: 'local', config: { workspace }, snapshot_key: null },
  staging: { files: [], folders: [], managed: [], repositories: [] },
  ...more,
})
const withFile = (path: string): StagedRun =>
  run(undefined, { staging: { files: [{ path, content: 'content' }], folders: [], managed: [], repositories: [] } })
const workspace = (): string => join(root, 'w/active/local', session_id, 'workspace')

it.each(['../out', '/etc/x', 'a/../../out', 'a\\..\\b', 'a\0b', 'a/', '.', '.tutti/claude/x', 'x\ny', '../../..'])(
  'staged-path-escapes-are-refused: %j',
  async (path) => {
    await expect(stageRun(withFile(path), options)).rejects.toMatchObject({
      code: 'STAGED_PATH_REFUSED',
      retryable: false,
    })
    expect(existsSync(workspace()) ? readdirSync(workspace()) : []).toEqual([])
  },
)

it('a-link-that-an-agent-left-is-neither-followed-nor-written-through', async () => {
  mkdirSync(workspace(), { recursive: true })
  mkdirSync(join(root, 'outside'))
  writeFileSync(join(root, 'outside/file'), 'untouched')
  symlinkSync(join(root, 'outside'), join(workspace(), 'folder'))
  symlinkSync(join(root, 'outside/file'), join(workspace(), 'file'))
  await expect(stageRun(withFile('folder/file'), options)).rejects.toMatchObject({ code: 'STAGED_PATH_REFUSED' })
  await stageRun(withFile('file'), options)
  expect(lstatSync(join(workspace(), 'file')).isFile()).toBe(true)
  expect(readFileSync(join(root, 'outside/file'), 'utf8')).toBe('untouched')
  expect(readdirSync(join(root, 'outside'))).toEqual(['file'])
})

it.each(['', 'x'.repeat(201), '\ud800'])('a-user-id-that-can-be-no-folder-is-refused: %j', async (user_id) => {
  await expect(stageRun(run(undefined, { user_id }), options)).rejects.toMatchObject({ code: 'USER_ID_REFUSED' })
})

it.each(['../x', '..', '.', 'a/b', "o'brien+x@mail.example", 'ä', 'a%2Fb', '.hidden'])(
  'every-user-has-one-folder-below-active-whatever-the-id: %j',
  async (user_id) => {
    const { workspace: made } = await stageRun(run(undefined, { user_id }), options)
    const [folder = '', session, last, ...rest] = made.slice(join(root, 'w/active/').length).split('/')
    expect([session, last, rest]).toEqual([session_id, 'workspace', []])
    expect(folder).toMatch(/^[A-Za-z0-9_@+%-][A-Za-z0-9._@+%-]*$/)
    expect(decodeURIComponent(folder)).toBe(user_id)
  },
)

it('folder-outside-staging-roots-is-refused', async () => {
  mkdirSync(join(root, 'forbidden'))
  mkdirSync(join(root, 'allowed-not'))
  symlinkSync(join(root, 'forbidden'), join(root, 'allowed/link'))
  const folder = (host_path: string) => stageRun(run({ folder: { host_path, path: 'in' } }), options)
  const refused = { code: 'FOLDER_REFUSED', retryable: false, message: expect.stringContaining('STAGING_ROOTS') }
  for (const path of ['forbidden', 'allowed/link', 'allowed/../forbidden', 'allowed-not', 'allowed/missing'])
    await expect(folder(join(root, path))).rejects.toMatchObject(refused)
  await expect(folder('allowed')).rejects.toMatchObject(refused)
  options.stagingRoots = []
  await expect(folder(join(root, 'allowed'))).rejects.toMatchObject(refused)
  expect(readdirSync(workspace())).toEqual([])
})

it('a-folder-that-is-too-large-is-refused-in-words', async () => {
  for (let index = 0; index < 30; index += 1) writeFileSync(join(root, 'allowed', `${index}`), 'x')
  const staged = stageRun(run({ folder: { host_path: join(root, 'allowed'), path: 'in' } }), options)
  await expect(staged).rejects.toMatchObject({
    code: 'FOLDER_TOO_LARGE',
    message: expect.stringContaining('20 entries'),
  })
})

it('files-are-staged-once-per-run-so-that-a-second-attempt-keeps-what-the-first-did', async () => {
  await stageRun(withFile('a/file'), options)
  writeFileSync(join(workspace(), 'a/file'), 'worked on')
  await stageRun(withFile('a/file'), options)
  expect(readFileSync(join(workspace(), 'a/file'), 'utf8')).toBe('worked on')
  await stageRun({ ...withFile('a/file'), run_id: session_id }, options)
  expect(readFileSync(join(workspace(), 'a/file'), 'utf8')).toBe('content')
})

it('a-staging-that-was-interrupted-is-done-again', async () => {
  const aborted = { ...options, signal: AbortSignal.abort(new Error('stopped')) }
  await expect(stageRun(withFile('file'), aborted)).rejects.toThrow('stopped')
  await stageRun(withFile('file'), options)
  expect(readdirSync(workspace())).toEqual(['file'])
})

it('a-conversation-whose-record-is-missing-is-not-resumed', async () => {
  await stageRun(run(undefined), options)
  expect(await hasConversation(workspace(), 'some-session')).toBe(false)
  mkdirSync(join(workspace(), '.tutti/claude/projects/-workspace'), { recursive: true })
  writeFileSync(join(workspace(), '.tutti/claude/projects/-workspace/some-session.jsonl'), '')
  expect(await hasConversation(workspace(), 'some-session')).toBe(true)
  expect(await hasConversation(workspace(), '../../some-session')).toBe(false)
})

it('what-git-ignores-is-not-copied: secrets, and a data directory inside of the folder', async () => {
  const folder = join(root, 'allowed/project')
  for (const path of ['deep/out', '.data/active']) mkdirSync(join(folder, path), { recursive: true })
  for (const [path, text] of [
    ['.gitignore', '.env\n.data/\nout/\n*.log\n!keep.log\n'],
    ['.env', 'KEY=secret'],
    ['.data/active/file', 'ours'],
    ['a.log', 'ignored'],
    ['keep.log', 'kept'],
    ['deep/.gitignore', '!b.log\n/only-here\n'],
    ['deep/b.log', 'let in again'],
    ['deep/only-here', 'ignored'],
    ['only-here', 'kept'],
    ['deep/out/file', 'ignored'],
  ] as const)
    writeFileSync(join(folder, path), text)
  await stageRun(run({ folder: { host_path: folder, path: 'project' } }), options)
  const copied = readdirSync(join(workspace(), 'project'), { recursive: true, withFileTypes: true })
  const files = copied.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  expect(files.map((path) => path.slice(join(workspace(), 'project/').length)).sort()).toEqual([
    '.gitignore',
    'deep/.gitignore',
    'deep/b.log',
    'keep.log',
    'only-here',
  ])
})
