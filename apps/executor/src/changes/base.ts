/**
 * What a run began with: a private index of all files that are watched, with their contents. A run that goes on in another
 * sandbox finds it again, since it lies in the workspace.
 */
import { copyFile, lstat, mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { isAbsolute, join, relative } from 'node:path'
import { createGit, type Git, type GitPlaces, plainGit } from './git.ts'

export interface Base {
  git: Git
  /** The folder whose files are watched. */
  workTree: string
  /** Put before the paths, so that they are the workspace's: empty, or ending with `/`. */
  prefix: string
  /** Address of the repository, without a password; null where the folder is in none. */
  repository: string | null
  branch(): Promise<string | null>
  /** Files too large to be kept, by their path: what is said of one that is still as it was. */
  large: ReadonlyMap<string, string>
}

/** Larger files are noticed, but have no diff. */
export const largestFile = 1024 * 1024

export interface BaseOptions {
  workspace: string
  /** Below the workspace; where the agent works. */
  cwd: string | undefined
  runId: string
  /** Patterns of files that are not watched, in addition to the repository's own. */
  ignore: readonly string[]
  env: NodeJS.ProcessEnv
}

/** Undefined where changes can't be seen: without git, for example. */
export const openBase = async (options: BaseOptions): Promise<Base | undefined> => {
  const { workspace, env, runId } = options
  const folder = join(workspace, options.cwd ?? '')
  const own = join(workspace, '.tutti', 'changes')
  const found = await findRepository(folder, workspace, env)
  await mkdir(join(own, 'objects'), { recursive: true })
  const places: GitPlaces = {
    ...{ gitDir: found?.gitDir ?? join(own, 'repository'), workTree: found?.workTree ?? folder },
    ...{ index: join(own, 'index'), objects: join(own, 'objects'), exclude: join(own, 'exclude') },
  }
  await writeFile(places.exclude, ['/.tutti/', '.tutti-*', ...options.ignore, ''].join('\n'))
  const git = createGit(places, env)
  if (found === undefined && (await git(['init', '--quiet'])).code !== 0) return undefined
  const large = await begin(git, places, own, runId)
  if (large === undefined) return undefined
  const prefix = relative(await realpath(workspace), await realpath(places.workTree))
  return {
    ...{ git, large, workTree: places.workTree, prefix: prefix === '' ? '' : `${prefix}/` },
    repository: found === undefined ? null : await addressOf(git),
    branch: async () => {
      if (found === undefined) return null
      const { code, stdout } = await git(['symbolic-ref', '--quiet', '--short', 'HEAD'])
      return code === 0 ? stdout.toString('utf8').trim() : null
    },
  }
}

/** The repository that the folder lies in, if it lies in the workspace: one around the workspace is none of the agent's. */
const findRepository = async (folder: string, workspace: string, env: NodeJS.ProcessEnv) => {
  const { code, stdout } = await plainGit(folder, env)(['rev-parse', '--show-toplevel', '--absolute-git-dir'])
  const [workTree = '', gitDir = ''] = stdout.toString('utf8').split('\n')
  if (code !== 0 || workTree === '' || gitDir === '') return undefined
  const below = relative(await realpath(workspace), await realpath(workTree))
  return below.startsWith('..') || isAbsolute(below) ? undefined : { workTree, gitDir }
}

/** Fills the index, unless this run has done so before. Returns the large files. */
const begin = async (
  git: Git,
  places: GitPlaces,
  own: string,
  runId: string,
): Promise<Map<string, string> | undefined> => {
  const record = join(own, 'base.json')
  const before = await readRecord(record)
  if (before?.run_id === runId && before.work_tree === places.workTree) return new Map(before.large)
  // With the repository's index, or the last run's, only what has changed since needs to be read.
  if (before?.work_tree !== places.workTree) {
    await rm(places.index, { force: true })
    await copyFile(join(places.gitDir, 'index'), places.index).catch(() => undefined)
  }
  const tracked = await git(['add', '--update', '--', '.'])
  // An index that was damaged: once more from nothing.
  if (tracked.code !== 0) await rm(places.index, { force: true })
  const others = listOf((await git(['ls-files', '--others', '--exclude-standard', '-z'])).stdout)
  const large = new Map<string, string>()
  const small: string[] = []
  for (const path of others) {
    // A repository within: its files are its own.
    if (path.endsWith('/')) continue
    const mark = await markOf(join(places.workTree, path))
    if (mark === undefined) continue
    if (mark.size > largestFile) large.set(path, mark.mark)
    else small.push(path)
  }
  const added = await git(['update-index', '--add', '-z', '--stdin'], {
    input: small.map((path) => `${path}\0`).join(''),
  })
  if (added.code !== 0) return undefined
  const draft = `${record}.new`
  await writeFile(draft, JSON.stringify({ run_id: runId, work_tree: places.workTree, large: [...large] }))
  await rename(draft, record)
  return large
}

export const listOf = (output: Buffer): string[] =>
  output
    .toString('utf8')
    .split('\0')
    .filter((path) => path !== '')

/** Size and what changes with every write; undefined for what is no file, or a link. */
export const markOf = async (path: string): Promise<{ size: number; mark: string } | undefined> => {
  try {
    const { size, mtimeMs, ino } = await lstat(path)
    return { size, mark: `${size}:${mtimeMs}:${ino}` }
  } catch {
    return undefined
  }
}

interface BaseRecord {
  run_id: string
  work_tree: string
  large: [string, string][]
}

const readRecord = async (path: string): Promise<BaseRecord | undefined> => {
  try {
    const value: Partial<BaseRecord> | null = JSON.parse(await readFile(path, 'utf8'))
    if (typeof value?.run_id !== 'string' || typeof value.work_tree !== 'string') return undefined
    return { run_id: value.run_id, work_tree: value.work_tree, large: Array.isArray(value.large) ? value.large : [] }
  } catch {
    return undefined
  }
}

const addressOf = async (git: Git): Promise<string | null> => {
  const { code, stdout } = await git(['config', '--get', 'remote.origin.url'])
  const address = stdout.toString('utf8').trim()
  return code === 0 && address !== '' ? address.replace(/^([a-z+]+:\/\/)[^/@]*@/i, '$1') : null
}
