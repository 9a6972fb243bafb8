/** What is to lie in a workspace, before anything is touched. Pure. */
import type { Readable } from 'node:stream'
import { RunFault } from '../fault.ts'

export interface WantedFile {
  sha256: string
  /** Whether it can be executed. */
  executable: boolean
  /** It lies in object storage, under the session's own prefix. */
  stored: boolean
  content: string | (() => Promise<Readable>)
}

export interface Tree {
  files: Map<string, WantedFile>
  folders: Map<string, Tree>
  /** Where they point, by name. */
  links: Map<string, string>
  /** Only what is named here may lie in this folder: the rest is removed, and what is in the way is replaced. */
  exact: boolean
}

export const newTree = (exact = false): Tree => ({ files: new Map(), folders: new Map(), links: new Map(), exact })

/** The folder at the segments, made with those above it where it is missing. */
export const folderIn = (tree: Tree, segments: readonly string[]): Tree => {
  let current = tree
  for (const name of segments) {
    if (current.files.has(name) || current.links.has(name)) throw twice(segments)
    const next = current.folders.get(name) ?? newTree(current.exact)
    current.folders.set(name, next)
    current = next
  }
  return current
}

export const addFile = (tree: Tree, segments: readonly string[], file: WantedFile): void => {
  const { folder, name } = placeOf(tree, segments)
  if (folder.folders.has(name)) throw twice(segments)
  folder.files.set(name, file)
}

export const addLink = (tree: Tree, segments: readonly string[], target: string): void => {
  const { folder, name } = placeOf(tree, segments)
  if (folder.folders.has(name) || folder.files.has(name)) throw twice(segments)
  folder.links.set(name, target)
}

/** From here on down nothing else may lie there. */
export const makeExact = (tree: Tree): void => {
  tree.exact = true
  for (const folder of tree.folders.values()) makeExact(folder)
}

const placeOf = (tree: Tree, segments: readonly string[]): { folder: Tree; name: string } => {
  const name = segments.at(-1)
  if (name === undefined) throw new RunFault('STAGED_PATH_REFUSED', 'A file for the workspace has no name')
  return { folder: folderIn(tree, segments.slice(0, -1)), name }
}

const twice = (segments: readonly string[]): RunFault =>
  new RunFault('STAGED_PATH_REFUSED', `Two things are to lie at ${JSON.stringify(segments.join('/'))} in the workspace`)
