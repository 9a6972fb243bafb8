/** Files as readers are shown them: trees, and addresses from which they can be fetched for a while. */
import { setImmediate as breathe } from 'node:timers/promises'
import type { ArchiveView, FileNode, ManifestFile } from '@tutti/contracts'
import type { RouteDeps } from '../deps.ts'

type Deps = Pick<RouteDeps, 'objects' | 'config'>

/** Addresses made before others may go on: signing ten thousand in one go would stop every other request for that long. */
const atOnce = 1_000

/** The tree of a workspace. Every address is signed here and now, and none asks the storage. */
export const fileTree = async (deps: Deps, files: readonly ManifestFile[]): Promise<FileNode[]> => {
  const addresses = new Map<string, string>()
  for (let at = 0; at < files.length; at += atOnce) {
    if (at > 0) await breathe()
    const some = files.slice(at, at + atOnce)
    const urls = await Promise.all(some.map((file) => addressOf(deps, file)))
    for (const [place, { path }] of some.entries()) addresses.set(path, urls[place] ?? '')
  }
  return treeOf(files, ({ path }) => addresses.get(path) ?? '')
}

/** As it is always offered: under its own name, and as a download, so that a page of an agent's never acts for its reader. */
export const addressOf = (
  { objects, config }: Deps,
  { path, key }: Pick<ManifestFile, 'path' | 'key'>,
): Promise<string> => objects.presignGet(key, { expiresSeconds: config.presignSeconds, filename: nameOf(path) })

/** Where an archive can be fetched for a while; null: there is nothing to pack. */
export const archiveViewOf = async (
  { objects, config }: Deps,
  archive: { key: string; filename: string } | null,
): Promise<ArchiveView> => {
  if (archive === null) return { url: null, filename: 'workspace.zip' }
  const { key, filename } = archive
  return { url: await objects.presignGet(key, { expiresSeconds: config.presignSeconds, filename }), filename }
}

/** Folders first, then by name, in every folder. */
const treeOf = (files: readonly ManifestFile[], urlOf: (file: ManifestFile) => string): FileNode[] => {
  const roots: FileNode[] = []
  const folders = new Map<string, FileNode[]>([['', roots]])
  const childrenOf = (folder: string): FileNode[] => {
    const known = folders.get(folder)
    if (known !== undefined) return known
    const children: FileNode[] = []
    folders.set(folder, children)
    const node = { ...nodeOf(folder), type: 'folder' as const, children }
    childrenOf(parentOf(folder)).push(node)
    return children
  }
  for (const file of files) {
    const { path, key, size, sha256, mode, mimeType, status, last_modified } = file
    childrenOf(parentOf(path)).push({
      ...nodeOf(path),
      ...{ type: 'file', url: urlOf(file), mimeType, oss_status: status },
      // Contents lie under their hashes, so the hash is what tells one from another.
      oss_meta: { key, size, sha256, etag: sha256, last_modified, executable: (mode & 0o111) !== 0 },
    })
  }
  for (const children of folders.values()) children.sort(before)
  return roots
}

const nodeOf = (path: string) =>
  ({ id: `/${path}`, name: nameOf(path), path: `/${path}`, source: 'workspace' }) satisfies Partial<FileNode>

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

const { compare } = new Intl.Collator('en', { sensitivity: 'accent', numeric: false })

const before = (a: FileNode, b: FileNode): number =>
  a.type === b.type ? compare(a.name, b.name) || (a.name < b.name ? -1 : 1) : a.type === 'folder' ? -1 : 1
