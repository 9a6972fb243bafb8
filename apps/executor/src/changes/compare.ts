/**
 * What the watched files differ in from the run's beginning. Git finds the paths by time and size; only a file whose
 * content is another than the last time has its diff made.
 */
import { join } from 'node:path'
import type { AgentEvent, FileChange } from '@tutti/contracts'
import { type Base, largestFile, listOf, markOf } from './base.ts'

export type FileChanges = Extract<AgentEvent, { type: 'file_changes' }>

/** Files in a list. More are left out: nobody reads them, and every list is sent whole. */
const mostFiles = 500
/** Characters of one diff, and of all diffs of a list. */
const longestDiff = 100_000
const longestDiffs = 1_000_000

type Counted = Pick<FileChange, 'added_lines' | 'deleted_lines' | 'diff'>

interface Found {
  path: string
  status: 'added' | 'modified' | 'deleted'
  /** Of what it was at the beginning; null for what is new. */
  before: string | null
  /** It can be executed now and could not before, or the other way round. */
  modeChanged?: boolean
}

/** Compares again and again; a list that says the same as the last one is undefined. */
export const createComparison = (base: Base): (() => Promise<FileChanges | undefined>) => {
  let counted = new Map<string, Counted>()
  let last = ''

  return async () => {
    const found = (await findChanges(base)).slice(0, mostFiles)
    const now = await contentsOf(base, found)
    const next = new Map<string, Counted>()
    const changes: FileChange[] = []
    for (const { path, status, before, modeChanged } of withoutRenamed(found, now)) {
      const content = now.get(path)
      if (content !== undefined && content === before && modeChanged !== true) continue
      const key = `${path}\0${before ?? ''}\0${content ?? ''}`
      const counts = counted.get(key) ?? (await countLines(base, path, before))
      next.set(key, counts)
      const old = status === 'added' ? renamedFrom(found, path, now) : undefined
      changes.push({
        ...{ path: base.prefix + path, status: old === undefined ? status : 'renamed', ...counts },
        old_path: old === undefined ? null : base.prefix + old,
        ...(old === undefined ? {} : { added_lines: 0, deleted_lines: 0, diff: null }),
      })
    }
    counted = next
    const event: FileChanges = {
      ...{ type: 'file_changes', repository: base.repository, branch: await base.branch() },
      total_added_lines: changes.reduce((sum, { added_lines }) => sum + added_lines, 0),
      total_deleted_lines: changes.reduce((sum, { deleted_lines }) => sum + deleted_lines, 0),
      file_changes: withinBudget(changes),
    }
    const text = JSON.stringify(event)
    if (text === last || (last === '' && changes.length === 0)) return undefined
    last = text
    return event
  }
}

const findChanges = async ({ git, workTree, large }: Base): Promise<Found[]> => {
  const [raw, others] = await Promise.all([
    git(['diff-files', '--raw', '-z', '--no-abbrev']),
    git(['ls-files', '--others', '--exclude-standard', '-z']),
  ])
  const found: Found[] = []
  const parts = listOf(raw.stdout)
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const [oldMode, mode, before = '', , kind = ''] = (parts[at] ?? '').split(' ')
    const path = parts[at + 1] ?? ''
    const deleted = kind.startsWith('D')
    found.push({
      ...{ path, status: deleted ? 'deleted' : 'modified', before },
      modeChanged: !deleted && oldMode !== `:${mode}`,
    })
  }
  const untracked = listOf(others.stdout)
  for (const path of untracked) {
    if (path.endsWith('/')) continue
    const mark = large.get(path)
    if (mark === undefined) found.push({ path, status: 'added', before: null })
    else if (mark !== (await markOf(join(workTree, path)))?.mark) found.push({ path, status: 'modified', before: null })
  }
  const there = new Set(untracked)
  for (const path of large.keys()) {
    if (!there.has(path) && (await markOf(join(workTree, path))) === undefined)
      found.push({ path, status: 'deleted', before: null })
  }
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** The hash of each file's content as it is now. A large one has what changes with every write instead. */
const contentsOf = async ({ git, workTree }: Base, found: readonly Found[]): Promise<Map<string, string>> => {
  const contents = new Map<string, string>()
  const toHash: string[] = []
  for (const { path, status } of found) {
    const mark = status === 'deleted' ? undefined : await markOf(join(workTree, path))
    if (mark === undefined) continue
    // Names with a line break can't be told to git in a list; they are compared like large files.
    if (mark.size > largestFile || path.includes('\n')) contents.set(path, mark.mark)
    else toHash.push(path)
  }
  if (toHash.length === 0) return contents
  const { stdout } = await git(['hash-object', '--stdin-paths'], { input: `${toHash.join('\n')}\n` })
  for (const [index, hash] of stdout.toString('utf8').split('\n').entries()) {
    const path = toHash[index]
    if (path !== undefined && hash !== '') contents.set(path, hash)
  }
  return contents
}

/** A new file with exactly the content of one that is gone has been renamed. */
const renamedFrom = (found: readonly Found[], path: string, now: ReadonlyMap<string, string>): string | undefined => {
  const content = now.get(path)
  if (content === undefined) return undefined
  const added = found.filter((one) => one.status === 'added' && now.get(one.path) === content)
  const gone = found.filter((one) => one.status === 'deleted' && one.before === content)
  // Of several with the same content, each has its own.
  return gone[added.findIndex((one) => one.path === path)]?.path
}

const withoutRenamed = (found: readonly Found[], now: ReadonlyMap<string, string>): Found[] => {
  const renamed = new Set(
    found.filter(({ status }) => status === 'added').map(({ path }) => renamedFrom(found, path, now)),
  )
  return found.filter(({ path, status }) => status !== 'deleted' || !renamed.has(path))
}

const nothing: Counted = { added_lines: 0, deleted_lines: 0, diff: null }

const countLines = async ({ git, workTree }: Base, path: string, before: string | null): Promise<Counted> => {
  const mark = await markOf(join(workTree, path))
  if ((mark?.size ?? 0) > largestFile) return nothing
  const plain = ['--no-ext-diff', '--no-textconv', '--no-color']
  const { stdout } =
    before === null
      ? await git(['diff', '--no-index', ...plain, '--', '/dev/null', path])
      : await git(['diff-files', '--patch', ...plain, '--', path])
  const text = stdout.toString('utf8')
  const start = text.indexOf('\n@@')
  // Binary, or empty: there are no lines to count.
  if (start < 0) return nothing
  const lines = text.slice(start + 1).split('\n')
  return {
    added_lines: lines.filter((line) => line.startsWith('+')).length,
    deleted_lines: lines.filter((line) => line.startsWith('-')).length,
    diff: text.length > longestDiff ? null : text,
  }
}

const withinBudget = (changes: readonly FileChange[]): FileChange[] => {
  let left = longestDiffs
  return changes.map((change) => {
    left -= change.diff?.length ?? 0
    return left < 0 ? { ...change, diff: null } : change
  })
}
