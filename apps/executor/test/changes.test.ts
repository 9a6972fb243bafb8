/** What a run has changed, with the real git in folders of this machine. */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { AgentEvent, FileChange } from '@tutti/contracts'
import { agentEvent } from '@tutti/contracts'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openBase } from '../src/changes/base.ts'
import { createComparison, type FileChanges } from '../src/changes/compare.ts'
import { createWatch } from '../src/changes/watch.ts'

let workspace: string
beforeEach(async () => {
  workspace = await mkdtemp(join(tmpdir(), 'tutti-changes-'))
})
afterEach(() => rm(workspace, { recursive: true, force: true }))

const put = async (path: string, content: string | Buffer): Promise<void> => {
  await mkdir(dirname(join(workspace, path)), { recursive: true })
  await writeFile(join(workspace, path), content)
}
const git = (folder: string, ...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
    cwd: join(workspace, folder),
  }).toString()

/** A repository with one commit of what lies in the folder. */
const commitAll = (folder: string): void => {
  git(folder, 'init', '-q', '-b', 'main')
  git(folder, 'add', '-A')
  git(folder, 'commit', '-qm', 'first')
}

const begin = async (more: { cwd?: string; runId?: string; ignore?: string[] } = {}) => {
  const base = await openBase({
    ...{ workspace, cwd: more.cwd, runId: more.runId ?? 'run', ignore: more.ignore ?? [], env: process.env },
  })
  if (base === undefined) throw new Error('git is not here')
  const compare = createComparison(base)
  return async (): Promise<FileChanges | undefined> => {
    const event = await compare()
    if (event !== undefined) agentEvent.parse(event)
    return event
  }
}
const brief = (changes: FileChange[] | undefined) =>
  changes?.map(({ path, status, added_lines, deleted_lines }) => [path, status, added_lines, deleted_lines])

it('tells what is new, changed, gone and renamed since the run began, and nothing of before', async () => {
  await put('kept.txt', 'as it was\n')
  await put('changed.txt', 'one\ntwo\n')
  await put('gone.txt', 'soon gone\n')
  await put('old-name.txt', 'the same words\n')
  const look = await begin()
  expect(await look()).toBeUndefined()
  await put('changed.txt', 'one\nthree\nfour\n')
  await put('new [1]*.txt', 'a\nb\n')
  await rm(join(workspace, 'gone.txt'))
  await rename(join(workspace, 'old-name.txt'), join(workspace, 'new-name.txt'))
  const event = await look()
  expect(brief(event?.file_changes)).toEqual([
    ['changed.txt', 'modified', 2, 1],
    ['gone.txt', 'deleted', 0, 1],
    ['new [1]*.txt', 'added', 2, 0],
    ['new-name.txt', 'renamed', 0, 0],
  ])
  expect(event).toMatchObject({ total_added_lines: 4, total_deleted_lines: 2, repository: null, branch: null })
  expect(event?.file_changes[0]?.diff).toContain('-two\n+three\n+four')
  expect(event?.file_changes[3]?.old_path).toBe('old-name.txt')
  expect(await look()).toBeUndefined()
})

it('tells of a file that became executable, though its content is what it was', async () => {
  await put('run.sh', 'echo\n')
  const look = await begin()
  await chmod(join(workspace, 'run.sh'), 0o755)
  expect(brief((await look())?.file_changes)).toEqual([['run.sh', 'modified', 0, 0]])
  await chmod(join(workspace, 'run.sh'), 0o644)
  expect(await look()).toMatchObject({ file_changes: [] })
})

it('says that all is as it was when a change was taken back', async () => {
  await put('a.txt', 'one\n')
  const look = await begin()
  await put('a.txt', 'two\n')
  expect(brief((await look())?.file_changes)).toEqual([['a.txt', 'modified', 1, 1]])
  await put('a.txt', 'one\n')
  expect(await look()).toMatchObject({ file_changes: [], total_added_lines: 0 })
})

it('leaves the agent’s repository alone: its index, its branches, its objects, and commits hide nothing', async () => {
  await put('repo/a.txt', 'one\n')
  await put('repo/.gitignore', 'built\n')
  commitAll('repo')
  git('repo', 'remote', 'add', 'origin', 'https://user:secret@example.com/x.git')
  await put('repo/staged.txt', 'staged before\n')
  git('repo', 'add', 'staged.txt')
  await put('repo/loose.txt', 'loose before\n')
  const before = [git('repo', 'status', '--porcelain'), git('repo', 'count-objects'), git('repo', 'for-each-ref')]
  const look = await begin({ cwd: 'repo' })
  expect(await look()).toBeUndefined()
  expect([git('repo', 'status', '--porcelain'), git('repo', 'count-objects'), git('repo', 'for-each-ref')]).toEqual(
    before,
  )
  await put('repo/a.txt', 'two\n')
  await put('repo/built', 'not watched')
  git('repo', 'checkout', '-qb', 'work')
  git('repo', 'commit', '-qam', 'second')
  const event = await look()
  expect(event).toMatchObject({ repository: 'https://example.com/x.git', branch: 'work' })
  expect(brief(event?.file_changes)).toEqual([['repo/a.txt', 'modified', 1, 1]])
})

it('has no diff for what is binary or large, and notices both', async () => {
  await put('large.bin', Buffer.alloc(2 * 1024 * 1024, 'x'))
  await put('still.bin', Buffer.alloc(2 * 1024 * 1024, 'x'))
  await put('picture.png', Buffer.from([0, 1, 2, 3]))
  const look = await begin()
  expect(await look()).toBeUndefined()
  await put('large.bin', Buffer.alloc(2 * 1024 * 1024, 'y'))
  await put('picture.png', Buffer.from([0, 4, 5]))
  await put('huge.txt', 'line\n'.repeat(100_000))
  const event = await look()
  expect(brief(event?.file_changes)).toEqual([
    ['huge.txt', 'added', 100_000, 0],
    ['large.bin', 'modified', 0, 0],
    ['picture.png', 'modified', 0, 0],
  ])
  expect(event?.file_changes.map(({ diff }) => diff)).toEqual([null, null, null])
})

it('goes on from the same beginning in another sandbox, and anew with the next run', async () => {
  await put('a.txt', 'one\n')
  await begin()
  await put('a.txt', 'two\n')
  const again = await begin()
  expect(brief((await again())?.file_changes)).toEqual([['a.txt', 'modified', 1, 1]])
  const next = await begin({ runId: 'next' })
  expect(await next()).toBeUndefined()
})

it('does not look at what it was told to ignore, nor out of the workspace', async () => {
  const look = await begin({ ignore: ['*.log', 'cache/'] })
  await put('x.log', 'x')
  await put('cache/y', 'y')
  await symlink('/etc/passwd', join(workspace, 'link'))
  const event = await look()
  expect(event?.file_changes.map(({ path }) => path)).toEqual(['link'])
  expect(event?.file_changes[0]?.diff).not.toContain('root:')
})

it('looks once at a time, after what may have written, and a last time at the end', async () => {
  await put('a.txt', 'one\n')
  let running = 0
  let most = 0
  let looks = 0
  const seen: AgentEvent[] = []
  const watch = createWatch({
    everyMs: 1,
    compare: async () => {
      running += 1
      looks += 1
      most = Math.max(most, running)
      await readFile(join(workspace, 'a.txt'))
      running -= 1
      return undefined
    },
    put: async (event) => {
      seen.push(event)
    },
  })
  const call = (name: string, id: string) => {
    watch.notice({ type: 'tool_call', tool_use_id: id, name, input: {}, parent_tool_use_id: null })
    watch.notice({ type: 'tool_result', tool_use_id: id, output: '', is_error: false, duration_ms: 1 })
  }
  call('Read', 'r')
  await watch.finish()
  expect(looks).toBe(0)
  for (let n = 0; n < 50; n += 1) call('Bash', `b${n}`)
  await watch.finish()
  expect(most).toBe(1)
  expect(looks).toBeGreaterThan(0)
  expect(looks).toBeLessThan(10)
})
