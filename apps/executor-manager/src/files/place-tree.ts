/** Makes a workspace hold what a tree says, touching only what differs. */
import { RunFault } from '../fault.ts'
import { isGivenToRuntime, runtimeFolder } from '../stage/paths.ts'
import { placeEntry, placeFile } from '../stage/place.ts'
import type { ContentCache } from './content-cache.ts'
import type { Directory } from './directory.ts'
import type { KnownFiles } from './known-files.ts'
import { sideBySide } from './side-by-side.ts'
import type { Tree, WantedFile } from './tree.ts'

export interface Placing {
  cache: ContentCache
  known: KnownFiles
  /** What stays in an exact folder although the tree has it not. */
  keeps: (path: string, name: string, kind: 'file' | 'directory') => boolean
  signal: AbortSignal
  /** Awaited before each change. */
  beforeChange?: (() => Promise<void> | undefined) | undefined
}

/** Files are placed this many at a time. */
const parallel = 8

/** @param path of the directory from the workspace, with a slash at the end; '' for the workspace itself */
export const placeTree = async (directory: Directory, tree: Tree, path: string, placing: Placing): Promise<void> => {
  if (tree.exact) await clear(directory, tree, path, placing)
  await sideBySide(tree.files, parallel, async ([name, file]) => {
    placing.signal.throwIfAborted()
    if (isNothing(`${path}${name}`, file) && (await directory.stat(name)) === undefined) return
    await placeWanted(directory, name, file, `${path}${name}`, placing)
  })
  for (const [name, target] of tree.links) await placeLink(directory, name, target, placing)
  for (const [name, inner] of tree.folders) {
    placing.signal.throwIfAborted()
    let folder = await directory.directory(name)
    // Nothing is to lie there, and nothing does: a folder alone would make the workspace of a new session look like a used one.
    if (
      folder === undefined &&
      !tree.exact &&
      isVacant(inner, `${path}${name}/`) &&
      (await directory.stat(name)) === undefined
    )
      continue
    if (folder === undefined) {
      await placing.beforeChange?.()
      folder = await directory.makeDirectory(name)
    }
    if (folder === undefined && (inner.exact || isRuntimes(`${path}${name}`))) {
      // Ours alone: an agent that put a link there must not be able to end all further turns of its session.
      await directory.removeTree(name)
      folder = await directory.makeDirectory(name)
    }
    if (folder === undefined) {
      const shown = JSON.stringify(`${path}${name}`)
      throw new RunFault('STAGED_PATH_REFUSED', `In the workspace ${shown} is a link or a file, not a folder`)
    }
    try {
      await placeTree(folder, inner, `${path}${name}/`, placing)
    } finally {
      await folder.close()
    }
  }
}

const isRuntimes = (path: string): boolean => path === runtimeFolder || path === `${runtimeFolder}/claude`

/** Instructions without a word are those of a runtime that has none. */
const isNothing = (path: string, { content }: WantedFile): boolean => content === '' && isGivenToRuntime(path)

/** Managed folders without content, and those above them. */
const isVacant = ({ files, links, folders, exact }: Tree, path: string): boolean =>
  links.size === 0 &&
  [...files].every(([name, file]) => isNothing(`${path}${name}`, file)) &&
  [...folders].every(([name, inner]) => isVacant(inner, `${path}${name}/`)) &&
  (exact || files.size + folders.size > 0)

/** Removes what the tree has not, and what is of another kind than the tree has. */
const clear = async (
  directory: Directory,
  tree: Tree,
  path: string,
  { keeps, beforeChange }: Placing,
): Promise<void> => {
  for (const { name, kind } of await directory.entries()) {
    const wanted =
      (kind === 'file' && tree.files.has(name)) ||
      (kind === 'link' && tree.links.has(name)) ||
      (kind === 'directory' && tree.folders.has(name))
    if (wanted || keeps(`${path}${name}`, name, kind === 'directory' ? kind : 'file')) continue
    await beforeChange?.()
    await directory.removeTree(name)
  }
}

const placeWanted = async (
  directory: Directory,
  name: string,
  wanted: WantedFile,
  path: string,
  { cache, known, beforeChange }: Placing,
): Promise<void> => {
  const before = await directory.stat(name)
  if (before?.isFile() && known.get(path, before)?.sha256 === wanted.sha256) {
    if (((before.mode & 0o111n) !== 0n) === wanted.executable) {
      if (wanted.stored) known.set(path, before, { sha256: wanted.sha256, stored: true })
      return
    }
  }
  await beforeChange?.()
  const mode = wanted.executable ? 0o755 : 0o644
  const { content, sha256 } = wanted
  if (typeof content === 'string') await placeFile(directory, name, mode, (file) => file.writeFile(content))
  else await cache.use(sha256, content, (source) => placeCopy(directory, name, mode, source))
  const after = await directory.stat(name)
  if (after !== undefined) known.set(path, after, { sha256, stored: wanted.stored })
}

const placeCopy = (directory: Directory, name: string, mode: number, source: string): Promise<void> =>
  placeEntry(directory, name, (temporary) => directory.copyIn(source, temporary, mode))

const placeLink = async (
  directory: Directory,
  name: string,
  target: string,
  { beforeChange }: Placing,
): Promise<void> => {
  const before = await directory.stat(name)
  if (before?.isSymbolicLink() && (await directory.target(name)) === target) return
  await beforeChange?.()
  await placeEntry(directory, name, (temporary) => directory.link(temporary, target))
}
