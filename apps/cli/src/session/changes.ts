/** What the agent has changed in the files of a session, against a folder of this machine. */
import { createHash } from 'node:crypto'
import { lstat, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Workbench, WorkspaceFile } from '@tutti/client'
import { fileChange, type RunView } from '@tutti/contracts'
import { inside } from './inside.ts'
import { isExecutable, nameInWorkspace } from './local-files.ts'

export interface LocalChange {
  /** Below the folder of this machine. */
  path: string
  kind: 'added' | 'modified' | 'deleted'
  /** What is to be there; undefined where it is deleted. */
  file: WorkspaceFile | undefined
  /** Whether the one here may be executed; undefined where there is none. */
  executableHere: boolean | undefined
}

export interface Changes {
  changes: LocalChange[]
  /** Changed by the agent, but not exported: their names begin with a dot, or they are what tools make again. */
  withheld: string[]
}

/**
 * Only what the agent itself has changed: what somebody changed here meanwhile stays as it is.
 * @param folder of this machine, whose copy lies in the workspace under its name, or is the whole workspace
 */
export const localChanges = async (workbench: Workbench, sessionId: string, folder: string): Promise<Changes> => {
  const files = await workbench.sessions.files(sessionId)
  const touched = touchedBy(await workbench.runs.list(sessionId))
  const paths = [...(touched?.keys() ?? files.map(({ path }) => path))]
  const prefix = prefixOf(folder, [...paths, ...files.map(({ path }) => path)])
  const found: Changes = { changes: [], withheld: [] }
  for (const whole of paths.sort()) {
    if (!whole.startsWith(prefix)) continue
    const path = whole.slice(prefix.length)
    const file = files.find((each) => each.path === whole)
    const here = await readHere(await inside(folder, path))
    const executableHere = here?.executable
    if (file === undefined && touched?.get(whole) !== 'deleted') found.withheld.push(path)
    else if (file === undefined) {
      if (here !== undefined) found.changes.push({ path, kind: 'deleted', file, executableHere })
    } else if (here === undefined) found.changes.push({ path, kind: 'added', file, executableHere })
    else if (here.sha256 !== file.sha256 || here.executable !== file.executable)
      found.changes.push({ path, kind: 'modified', file, executableHere })
  }
  return found
}

const readHere = async (file: string): Promise<{ sha256: string; executable: boolean } | undefined> => {
  try {
    const content = await readFile(file)
    return { sha256: createHash('sha256').update(content).digest('hex'), executable: isExecutable(await lstat(file)) }
  } catch {
    return undefined
  }
}

/** By path in the workspace: what became of it last. Undefined where the runs did not see what they changed. */
const touchedBy = (runs: readonly RunView[]): Map<string, 'there' | 'deleted'> | undefined => {
  const lists = runs.flatMap(({ state_patch: { workspace_state } }) => {
    const list =
      typeof workspace_state === 'object' && workspace_state !== null && 'file_changes' in workspace_state
        ? fileChange.array().safeParse(workspace_state.file_changes).data
        : undefined
    return list === undefined ? [] : [list]
  })
  if (lists.length === 0) return undefined
  const touched = new Map<string, 'there' | 'deleted'>()
  for (const { path, status, old_path } of lists.flat()) {
    if (old_path !== null && status === 'renamed') touched.set(old_path, 'deleted')
    touched.set(path, status === 'deleted' ? 'deleted' : 'there')
  }
  return touched
}

const prefixOf = (folder: string, paths: readonly string[]): string => {
  const prefix = `${nameInWorkspace(folder)}/`
  return paths.some((path) => path.startsWith(prefix)) ? prefix : ''
}

/** As `git apply` takes it. */
export const patchOf = async (
  workbench: Workbench,
  folder: string,
  changes: readonly LocalChange[],
): Promise<string> => {
  const temporary = await mkdtemp(join(tmpdir(), 'tutti-diff-'))
  try {
    const patches: string[] = []
    for (const change of changes) {
      const { path, kind, file } = change
      if (file) await workbench.download(file, join(temporary, 'new'))
      const before = kind === 'added' ? Buffer.alloc(0) : await readFile(await inside(folder, path))
      const after = file ? await readFile(join(temporary, 'new')) : Buffer.alloc(0)
      patches.push(await onePatch(change, before, after))
    }
    return patches.join('')
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

const onePatch = async (change: LocalChange, before: Buffer, after: Buffer): Promise<string> => {
  const { path, kind } = change
  const head = `diff --git a/${path} b/${path}\n${modeLines(change)}`
  if (before.equals(after) && kind === 'modified') return head
  if (before.includes(0) || after.includes(0)) return `${head}Binary files a/${path} and b/${path} differ\n`
  const [from, to] = [kind === 'added' ? '/dev/null' : `a/${path}`, kind === 'deleted' ? '/dev/null' : `b/${path}`]
  // Loaded here: no other command needs it.
  const { createTwoFilesPatch } = await import('diff')
  const patch = createTwoFilesPatch(from, to, before.toString('utf8'), after.toString('utf8'), undefined, undefined, {
    context: 3,
    headerOptions: { includeIndex: false, includeUnderline: false, includeFileHeaders: true },
  })
  return `${head}${patch}`
}

const modeLines = ({ kind, file, executableHere }: LocalChange): string => {
  const modeOf = (executable: boolean | undefined) => (executable ? '100755' : '100644')
  const [from, to] = [modeOf(executableHere), modeOf(file?.executable)]
  if (kind === 'added') return `new file mode ${to}\n`
  if (kind === 'deleted') return `deleted file mode ${from}\n`
  return from === to ? '' : `old mode ${from}\nnew mode ${to}\n`
}
