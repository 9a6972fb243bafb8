/** What became of the files from one run to another. */
import type { FileDifference, ManifestFile, RunComparison } from '@tutti/contracts'
import { createTwoFilesPatch } from 'diff'
import type { Queryable } from '../database/database.ts'
import type { SnapshotReader } from './objects.ts'
import { manifestOfRun } from './of-run.ts'

/** A larger side is no text that somebody reads a diff of. */
const mostBytes = 256 * 1024
/** Of all diffs of one answer. */
const mostDiffBytes = 2 * 1024 * 1024
const mostDiffs = 300
/** Of one diff: two files of which nothing is the same would keep the process busy for minutes. */
const mostMs = 500

interface Change {
  status: FileDifference['status']
  before: ManifestFile | null
  after: ManifestFile | null
}

/** @throws TuttiError RUN_NOT_FOUND for a stranger's run, SNAPSHOT_NOT_FOUND */
export const compareRuns = async (
  deps: { database: Queryable; snapshots: SnapshotReader },
  userId: string,
  runId: string,
  otherId: string,
): Promise<RunComparison> => {
  const before = await manifestOfRun(deps, userId, runId)
  const after = await manifestOfRun(deps, userId, otherId)
  const files: FileDifference[] = []
  let diffs = 0
  let bytes = 0
  for (const change of changesBetween(before.files, after.files)) {
    const one = await difference(change, deps.snapshots, diffs < mostDiffs && bytes < mostDiffBytes)
    if (one.diff !== null) {
      diffs += 1
      bytes += Buffer.byteLength(one.diff)
    }
    files.push(one)
  }
  return {
    ...{ run_id: runId, other_run_id: otherId, files },
    total_added_lines: files.reduce((sum, { added_lines }) => sum + (added_lines ?? 0), 0),
    total_deleted_lines: files.reduce((sum, { deleted_lines }) => sum + (deleted_lines ?? 0), 0),
  }
}

/** By path. A file that is gone and one that is new with the same content are one that was renamed. */
const changesBetween = (before: readonly ManifestFile[], after: readonly ManifestFile[]): Change[] => {
  const old = new Map(before.map((file) => [file.path, file]))
  const now = new Map(after.map((file) => [file.path, file]))
  const gone = new Map<string, ManifestFile[]>()
  for (const file of before) {
    if (!now.has(file.path)) gone.set(file.sha256, [...(gone.get(file.sha256) ?? []), file])
  }
  const changes: Change[] = []
  for (const file of after) {
    const former = old.get(file.path)
    if (former !== undefined) {
      if (former.sha256 !== file.sha256 || former.mode !== file.mode)
        changes.push({ status: 'modified', before: former, after: file })
      continue
    }
    // Empty files are all alike: none of them is another one's new name.
    const from = file.size > 0 ? gone.get(file.sha256)?.shift() : undefined
    changes.push({ status: from === undefined ? 'added' : 'renamed', before: from ?? null, after: file })
  }
  for (const files of gone.values()) {
    for (const file of files) changes.push({ status: 'deleted', before: file, after: null })
  }
  const pathOf = ({ before: from, after: to }: Change): string => to?.path ?? from?.path ?? ''
  return changes.sort((a, b) => (pathOf(a) < pathOf(b) ? -1 : 1))
}

const difference = async (
  { status, before, after }: Change,
  snapshots: SnapshotReader,
  withDiff: boolean,
): Promise<FileDifference> => {
  const patch = withDiff && before?.sha256 !== after?.sha256 ? await patchOf(before, after, snapshots) : null
  return {
    ...{ path: after?.path ?? before?.path ?? '', status },
    old_path: status === 'renamed' ? (before?.path ?? null) : null,
    ...{ old_size: before?.size ?? null, new_size: after?.size ?? null },
    ...(patch ?? { added_lines: null, deleted_lines: null, diff: null }),
  }
}

const patchOf = async (
  before: ManifestFile | null,
  after: ManifestFile | null,
  snapshots: SnapshotReader,
): Promise<Pick<FileDifference, 'added_lines' | 'deleted_lines' | 'diff'> | null> => {
  const [from, to] = await Promise.all([textOf(before, snapshots), textOf(after, snapshots)])
  if (from === null || to === null) return null
  const oldName = before === null ? '/dev/null' : `a/${before.path}`
  const newName = after === null ? '/dev/null' : `b/${after.path}`
  const diff = createTwoFilesPatch(oldName, newName, from, to, undefined, undefined, { context: 3, timeout: mostMs })
  if (diff === undefined) return null
  const lines = diff.split('\n').filter((line) => !/^(\+\+\+|---) /.test(line))
  return {
    added_lines: lines.filter((line) => line.startsWith('+')).length,
    deleted_lines: lines.filter((line) => line.startsWith('-')).length,
    diff,
  }
}

/** Null: it is not text, or too large. */
const textOf = async (file: ManifestFile | null, snapshots: SnapshotReader): Promise<string | null> => {
  if (file === null) return ''
  if (file.size > mostBytes) return null
  const content = await snapshots.content(file.key)
  if (content.includes(0)) return null
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch {
    return null
  }
}
