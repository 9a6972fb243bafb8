import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
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
import type { PlannedRepository } from '@tutti/contracts'
import { createLocalObjects } from '@tutti/objects'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { createContentCache } from '../src/files/content-cache.ts'
import { type StagedRun, type StagingOptions, stageRun } from '../src/stage/workspace.ts'
import { createGitServer, type GitServer, makeCertificate } from './support/git-server.ts'

const token = 'token-that-must-not-be-seen'
const run_id = '6a1f0d3e-0d53-4c0a-9d5e-2f0c4a6b7c8d'
const session_id = '0b7e5f5c-55b1-4a39-8f4e-9f6f0a1b2c3d'
const other = '1c7e5f5c-55b1-4a39-8f4e-9f6f0a1b2c3d'
let root: string
let server: GitServer
let options: StagingOptions

const git = (folder: string, ...args: string[]): string =>
  execFileSync('git', ['-C', folder, '-c', 'user.name=n', '-c', 'user.email=e', ...args], { encoding: 'utf8' })
const commit = (message: string, files: Record<string, string>): void => {
  const work = join(root, 'work')
  for (const [path, content] of Object.entries(files)) writeFileSync(join(work, path), content)
  git(work, 'add', '-A')
  git(work, 'commit', '-qm', message)
  git(work, 'push', '-q', 'origin', '--all')
}

/** The repository and the server’s certificate as every test finds them: made once, they cost a dozen processes. */
let template: string
beforeAll(() => {
  template = mkdtempSync(join(tmpdir(), 'tutti-repositories-'))
  root = template
  mkdirSync(join(root, 'served'))
  git(root, 'init', '-q', '--bare', '-b', 'trunk', 'served/project.git')
  git(root, 'init', '-q', '-b', 'trunk', 'work')
  git(join(root, 'work'), 'remote', 'add', 'origin', '../served/project.git')
  commit('first', { 'a.txt': 'one' })
  git(join(root, 'work'), 'checkout', '-qb', 'side/branch')
  commit('second', { 'a.txt': 'two' })
  git(join(root, 'work'), 'checkout', '-q', 'trunk')
  makeCertificate(join(root, 'served'))
})
afterAll(() => rmSync(template, { recursive: true }))

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'tutti-repository-'))
  cpSync(template, root, { recursive: true })
  server = await createGitServer(join(root, 'served'), token)
  options = {
    ...{ workspaceRoot: join(root, 'w'), stagingRoots: [], signal: new AbortController().signal },
    ...{ maxFolderFiles: 20, maxFolderBytes: 1_000_000, ignoreDotFiles: true, patterns: [] },
    ...{ privateHosts: true, caFile: server.caFile, repositoryTimeoutMs: 30_000 },
    objects: createLocalObjects({ root: join(root, 'objects'), publicUrl: 'http://x', secret: 'secret of tests' }),
    cache: createContentCache({ workspaceRoot: join(root, 'w'), maxBytes: 1_000_000 }),
  }
})
afterEach(async () => {
  await server.close()
  rmSync(root, { recursive: true })
})

const stage = (repository: Partial<PlannedRepository> = {}, more: Partial<StagedRun> = {}) =>
  stageRun(
    {
      ...{ run_id, session_id, user_id: 'local', config: {}, snapshot_key: null },
      staging: {
        ...{ files: [], folders: [], managed: [] },
        repositories: [
          { url: `${server.url}/project.git`, branch: null, path: 'project', token, shallow: false, ...repository },
        ],
      },
      ...more,
    },
    options,
  )
const workspace = (session = session_id): string => join(root, 'w/active/local', session, 'workspace')

it('a-repository-is-cloned-with-a-token-that-lies-nowhere-afterwards', async () => {
  await stage()
  const project = join(workspace(), 'project')
  expect(readFileSync(join(project, 'a.txt'), 'utf8')).toBe('one')
  expect(git(project, 'status', '--porcelain', '--branch')).toBe('## trunk...origin/trunk\n')
  expect(git(project, 'remote', 'get-url', 'origin')).toBe(`${server.url}/project.git\n`)
  const found = execFileSync('sh', [
    '-c',
    'grep -rl -e "$1" -e "$2" "$3" || true',
    'sh',
    token,
    Buffer.from(`x-access-token:${token}`).toString('base64'),
    join(root, 'w'),
  ])
  expect(found.toString()).toBe('')
  expect(readdirSync(join(root, 'w/temp'))).toEqual([])
})

it('a-branch-is-checked-out, and a wrong one, a wrong token or a missing repository is told without the token', async () => {
  await stage({ branch: 'side/branch' })
  expect(readFileSync(join(workspace(), 'project/a.txt'), 'utf8')).toBe('two')
  const failed = async (repository: Partial<PlannedRepository>): Promise<string> => {
    const error: unknown = await stage(repository, { session_id: other }).catch((fault: unknown) => fault)
    expect(error).toMatchObject({ code: 'REPOSITORY_FAILED', retryable: false })
    return (error as Error).message
  }
  expect(await failed({ branch: 'none' })).toContain('none')
  expect(await failed({ url: `${server.url}/missing.git` })).toContain('not found')
  expect(await failed({ token: null })).toMatch(/terminal prompts disabled|could not read Username/)
  const wrong = 'wrong-token-that-is-echoed'
  const said = await failed({ token: wrong })
  expect(said).toContain('Authentication failed')
  expect(said).not.toContain(wrong)
  expect(readdirSync(workspace(other))).toEqual([])
})

it('a-repository-that-a-message-brings-comes-without-its-history, and what lies there already stays', async () => {
  commit('another', { 'b.txt': 'b' })
  await stage({ path: 'inputs/lib', shallow: true })
  const lib = join(workspace(), 'inputs/lib')
  expect(readFileSync(join(lib, 'a.txt'), 'utf8')).toBe('one')
  expect(git(lib, 'rev-list', '--count', 'HEAD')).toBe('1\n')
  expect(git(lib, 'remote', 'get-url', 'origin')).toBe(`${server.url}/project.git\n`)
  expect(existsSync(join(root, 'w/cache/repositories'))).toBe(false)
  // As a snapshot brings it to another host.
  rmSync(join(lib, '.git'), { recursive: true })
  await stage({ path: 'inputs/lib', shallow: true }, { run_id: other })
  expect(readdirSync(lib).sort()).toEqual(['a.txt', 'b.txt'])
  await stage({ path: 'inputs/side', shallow: true, branch: 'side/branch' }, { session_id: other })
  expect(readFileSync(join(workspace(other), 'inputs/side/a.txt'), 'utf8')).toBe('two')
})

it('a-clone-that-is-there-is-the-agents: nothing of it is run, read or overwritten', async () => {
  await stage()
  const project = join(workspace(), 'project')
  const mark = join(root, 'executed')
  const script = join(project, 'evil.sh')
  writeFileSync(script, `#!/bin/sh\ntouch ${mark}\n`)
  chmodSync(script, 0o755)
  for (const setting of ['core.fsmonitor', 'core.sshCommand', 'core.gitProxy', 'credential.helper', 'filter.x.smudge'])
    git(project, 'config', setting, script)
  writeFileSync(join(project, 'a.txt'), 'worked on')
  commit('third', { 'a.txt': 'three' })
  await stage({}, { run_id: other })
  expect(readFileSync(join(project, 'a.txt'), 'utf8')).toBe('worked on')
  expect(existsSync(mark)).toBe(false)
})

it('another-session-of-the-user-fetches-only-what-is-new, and sees it', async () => {
  await stage()
  commit('third', { 'a.txt': 'three' })
  await stage({}, { session_id: other })
  expect(readFileSync(join(workspace(other), 'project/a.txt'), 'utf8')).toBe('three')
  expect(readdirSync(join(root, 'w/cache/repositories'))).toHaveLength(1)
  // The mirror is no way round the server: without a token nothing is handed out of it.
  await expect(stage({ token: null }, { session_id: '2c7e5f5c-55b1-4a39-8f4e-9f6f0a1b2c3d' })).rejects.toMatchObject({
    code: 'REPOSITORY_FAILED',
  })
})

it.each([
  ['ext::sh -c touch% executed', 'REPOSITORY_REFUSED'],
  ['ssh://git@host/x', 'REPOSITORY_REFUSED'],
  ['git@host:x.git', 'REPOSITORY_REFUSED'],
  ['http://localhost/x', 'REPOSITORY_REFUSED'],
  ['https://name:secret@host/x', 'REPOSITORY_REFUSED'],
  ['--upload-pack=touch', 'REPOSITORY_REFUSED'],
  ['file:///etc', 'FOLDER_REFUSED'],
])('an-address-is-refused-that-could-do-more-than-fetch: %s', async (url, code) => {
  await expect(stage({ url })).rejects.toMatchObject({ code, retryable: false })
  expect(server.served()).toBe(0)
})

it.each(['--upload-pack=x', 'a b', '-x', 'a\nb', ''])(
  'a-branch-is-refused-that-git-could-take-for-more: %j',
  async (branch) => {
    await expect(stage({ branch })).rejects.toMatchObject({ code: 'REPOSITORY_REFUSED' })
  },
)

it.each([
  '127.0.0.1',
  'localhost',
  '169.254.169.254',
  '[::1]',
  '[::ffff:127.0.0.1]',
  '2130706433',
  '10.1.2.3',
  '0.0.0.0',
])('a-private-host-is-not-asked-unless-the-operator-says-so: %s', async (host) => {
  options.privateHosts = false
  const url = server.url.replace('localhost', host)
  await expect(stage({ url: `${url}/project.git` })).rejects.toMatchObject({
    code: 'REPOSITORY_REFUSED',
    message: expect.stringContaining('GIT_PRIVATE_HOSTS'),
  })
})

it('a-token-is-not-carried-to-where-a-server-leads', async () => {
  const second = await createGitServer(join(root, 'served'), token)
  try {
    server.redirect(second.url)
    await expect(stage()).rejects.toMatchObject({ code: 'REPOSITORY_FAILED' })
    expect(second.served()).toBe(0)
  } finally {
    await second.close()
  }
})

it('a-folder-of-the-host-is-cloned-only-from-below-the-staging-roots', async () => {
  options.stagingRoots = [join(root, 'served')]
  await stage({ url: `file://${root}/served/project.git`, token: null })
  expect(readFileSync(join(workspace(), 'project/a.txt'), 'utf8')).toBe('one')
  await expect(stage({ url: `file://${root}/work`, token: null }, { session_id: other })).rejects.toMatchObject({
    code: 'FOLDER_REFUSED',
  })
})

it('what-lies-in-the-place-of-a-clone-is-neither-followed-nor-overwritten', async () => {
  mkdirSync(workspace(), { recursive: true })
  mkdirSync(join(root, 'outside/.git'), { recursive: true })
  symlinkSync(join(root, 'outside'), join(workspace(), 'project'))
  await expect(stage()).rejects.toMatchObject({ code: 'REPOSITORY_REFUSED' })
  rmSync(join(workspace(), 'project'))
  mkdirSync(join(workspace(), 'project'))
  writeFileSync(join(workspace(), 'project/mine'), '')
  await expect(stage()).rejects.toMatchObject({ code: 'REPOSITORY_REFUSED' })
  rmSync(join(workspace(), 'project/mine'))
  await stage()
  expect(existsSync(join(workspace(), 'project/a.txt'))).toBe(true)
})

it('a-fetch-ends-with-the-run', async () => {
  const stopped = new AbortController()
  options.signal = stopped.signal
  const staged = stage()
  stopped.abort(new Error('cancelled'))
  await expect(staged).rejects.toThrow('cancelled')
  expect(existsSync(join(root, 'w/temp')) ? readdirSync(join(root, 'w/temp')) : []).toEqual([])
})

it('git passes over what WORKSPACE_GIT_IGNORE names, without a change of the repository', async () => {
  options = { ...options, patterns: ['*.local', '/scratch/'] }
  await stage()
  const project = join(workspace(), 'project')
  for (const file of ['notes.local', 'kept.txt']) writeFileSync(join(project, file), 'x')
  mkdirSync(join(project, 'scratch'))
  writeFileSync(join(project, 'scratch/draft.txt'), 'x')
  expect(git(project, 'status', '--porcelain')).toBe('?? kept.txt\n')
})
