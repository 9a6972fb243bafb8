/** Putting files into a workspace, however an earlier agent left it. */
import { randomBytes } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { errnoOf, RunFault } from '../fault.ts'
import type { Directory } from '../files/directory.ts'

/** Opens the folders one below the other, making what is missing. The root stays open; the caller closes the result. */
export const enterFolders = async (root: Directory, folders: readonly string[]): Promise<Directory> => {
  let current = root
  for (const [depth, name] of folders.entries()) {
    let next: Directory | undefined
    try {
      next = await current.makeDirectory(name)
    } finally {
      if (current !== root) await current.close()
    }
    if (next === undefined) {
      const path = JSON.stringify(folders.slice(0, depth + 1).join('/'))
      throw new RunFault('STAGED_PATH_REFUSED', `In the workspace ${path} is a link or a file, not a folder`)
    }
    current = next
  }
  return current
}

/** Runs `use` with the folder open. */
export const withFolder = async <T>(
  root: Directory,
  folders: readonly string[],
  use: (folder: Directory) => Promise<T>,
): Promise<T> => {
  const folder = await enterFolders(root, folders)
  try {
    return await use(folder)
  } finally {
    if (folder !== root) await folder.close()
  }
}

/**
 * Writes a file whole or not at all. It is written under a name of its own and then moved: what stands under the final
 * name, be it a link to a file of the host, is replaced and never opened.
 */
export const placeFile = async (
  folder: Directory,
  name: string,
  mode: number,
  fill: (file: FileHandle) => Promise<unknown>,
): Promise<void> => {
  await placeEntry(folder, name, async (temporary) => {
    const file = await folder.newFile(temporary, mode)
    try {
      await fill(file)
    } finally {
      await file.close()
    }
  })
}

/** The same for whatever `make` makes under the name that it is given. */
export const placeEntry = async (
  folder: Directory,
  name: string,
  make: (temporary: string) => Promise<unknown>,
): Promise<void> => {
  const temporary = `.tutti-${randomBytes(8).toString('hex')}`
  try {
    await make(temporary)
    await folder.rename(temporary, name)
  } catch (error) {
    await folder.remove(temporary)
    if (!['EISDIR', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error
    throw new RunFault('STAGED_PATH_REFUSED', `In the workspace ${JSON.stringify(name)} is a folder, not a file`)
  }
}
