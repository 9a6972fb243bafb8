/** From a staging plan to the trees that are placed. Reads object storage only for what the host has not yet. */
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { PlannedFile, PlannedFolder, StagingPlan } from '@tutti/contracts'
import { type ObjectStore, ObjectStoreError } from '@tutti/objects'
import { z } from 'zod'
import { errnoOf, RunFault } from '../fault.ts'
import type { ContentCache } from '../files/content-cache.ts'
import { addFile, folderIn, newTree, type Tree, type WantedFile } from '../files/tree.ts'
import { writeWhole } from './home.ts'
import { fileSegmentsOf, plannedSegmentsOf } from './paths.ts'
import { readZipped, unpackZip, type ZipLimits, type ZippedFile } from './zip.ts'

export interface PlanDeps extends ZipLimits {
  objects: Pick<ObjectStore, 'get' | 'head' | 'list'>
  cache: ContentCache
  workspaceRoot: string
}

export interface PlannedTrees {
  /** What lies in managed folders: the same in every attempt. */
  managed: Tree
  /** What is given to the run once, and its own from then on. */
  given: Tree
}

/** All paths are checked before anything is fetched: a plan that is refused leaves nothing behind. */
export const plannedTrees = async (plan: StagingPlan, deps: PlanDeps, withGiven: boolean): Promise<PlannedTrees> => {
  const managedFolders = plan.managed.map(plannedSegmentsOf)
  const isManaged = (segments: readonly string[]): boolean =>
    managedFolders.some((folder) => folder.every((name, at) => segments[at] === name))
  const files = plan.files.map((file) => ({ file, segments: fileSegmentsOf(file.path) }))
  const folders = plan.folders.map((folder) => ({ folder, segments: plannedSegmentsOf(folder.path) }))

  const trees: PlannedTrees = { managed: newTree(), given: newTree() }
  for (const segments of managedFolders) folderIn(trees.managed, segments).exact = true
  const treeFor = (segments: readonly string[]): Tree | undefined =>
    isManaged(segments) ? trees.managed : withGiven ? trees.given : undefined
  for (const { folder, segments } of folders) {
    const tree = treeFor(segments)
    if (tree !== undefined) await addFolder(tree, segments, folder, deps)
  }
  // After the folders: a file that is named one by one is meant more than one that came along.
  for (const { file, segments } of files) {
    deps.signal.throwIfAborted()
    const tree = treeFor(segments)
    if (tree !== undefined) addFile(tree, segments, await wantedFile(file, deps))
  }
  return trees
}

const wantedFile = async (file: PlannedFile, deps: PlanDeps): Promise<WantedFile> => {
  const executable = file.executable === true
  if ('content' in file) {
    const sha256 = createHash('sha256').update(file.content).digest('hex')
    return { sha256, executable, stored: false, content: file.content }
  }
  const sha256 = file.sha256 ?? (await hashOf(file.key, deps))
  return { sha256, executable, stored: false, content: () => open(file.key, deps) }
}

/** As the store knows it; where it does not, the object is fetched to find out. */
const hashOf = async (key: string, deps: PlanDeps): Promise<string> => {
  const info = await deps.objects.head(key)
  if (info === null) throw missing(key)
  return info.sha256 ?? (await deps.cache.add(await open(key, deps))).sha256
}

const open = async (key: string, { objects }: PlanDeps): Promise<Readable> => {
  try {
    return (await objects.get(key)).stream
  } catch (error) {
    if (error instanceof ObjectStoreError && error.code === 'NOT_FOUND') throw missing(key)
    throw error
  }
}

const missing = (key: string): RunFault =>
  new RunFault('STAGED_FILE_MISSING', `The stored file ${JSON.stringify(key.split('/').at(-1))} is no longer there`)

const addFolder = (tree: Tree, segments: readonly string[], folder: PlannedFolder, deps: PlanDeps): Promise<void> =>
  folder.kind === 'zip' ? addZip(tree, segments, folder, deps) : addPrefix(tree, segments, folder.key, deps)

const addZip = async (
  tree: Tree,
  segments: readonly string[],
  { key, sha256: known, path: where }: PlannedFolder,
  deps: PlanDeps,
): Promise<void> => {
  const sha256 = known ?? (await hashOf(key, deps))
  const withZip = <T>(use: (path: string) => Promise<T>): Promise<T> =>
    deps.cache.use(sha256, () => open(key, deps), use)
  const files = await remembered(join(deps.workspaceRoot, 'cache', 'archives'), sha256, () =>
    withZip((path) => unpackZip(path, where, deps.cache, deps)),
  )
  // An archive is in the way of nobody: its files count against the limits of the folder, like those of a prefix.
  folderIn(tree, segments)
  for (const { path, sha256: hash, executable } of files)
    addFile(tree, [...segments, ...fileSegmentsOf(path)], {
      ...{ sha256: hash, executable, stored: false },
      content: () => withZip((zip) => readZipped(zip, where, path)),
    })
}

const zippedFiles = z.array(
  z.object({ path: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/), executable: z.boolean() }),
)

/** What an archive holds never changes: it is unpacked once per host. */
const remembered = async (
  folder: string,
  sha256: string,
  unpack: () => Promise<ZippedFile[]>,
): Promise<ZippedFile[]> => {
  const path = join(folder, `${sha256}.json`)
  try {
    return zippedFiles.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && !(error instanceof SyntaxError || error instanceof z.ZodError)) throw error
  }
  const files = await unpack()
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeWhole(path, JSON.stringify(files))
  return files
}

const addPrefix = async (tree: Tree, segments: readonly string[], key: string, deps: PlanDeps): Promise<void> => {
  const prefix = key.endsWith('/') ? key : `${key}/`
  folderIn(tree, segments)
  let files = 0
  let bytes = 0
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await deps.objects.list(prefix, cursor)
    for (const object of page.objects) {
      deps.signal.throwIfAborted()
      files += 1
      bytes += object.size
      if (files > deps.maxFiles || bytes > deps.maxBytes)
        throw new RunFault(
          'FOLDER_TOO_LARGE',
          `A stored folder holds more than ${deps.maxFiles} files or ${Math.floor(deps.maxBytes / 1024 ** 2)} MB`,
        )
      const path = [...segments, ...fileSegmentsOf(object.key.slice(prefix.length))]
      const sha256 = await hashOf(object.key, deps)
      addFile(tree, path, { sha256, executable: false, stored: false, content: () => open(object.key, deps) })
    }
    cursor = page.cursor
  }
  if (files === 0) throw missing(key)
}
