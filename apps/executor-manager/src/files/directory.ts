/**
 * Walking a tree that an agent could have prepared. Every step goes from an open directory to one of its own entries and
 * never through a symbolic link, as openat(2) with O_NOFOLLOW does: Node has no such call, but /proc/self/fd leads to the
 * open directory itself, wherever its path points by now.
 */
import { type BigIntStats, constants } from 'node:fs'
import {
  copyFile,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  rmdir,
  symlink,
  unlink,
} from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../fault.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants
const { COPYFILE_EXCL, COPYFILE_FICLONE } = constants

export type EntryKind = 'file' | 'directory' | 'link' | 'other'

export interface Entry {
  name: string
  kind: EntryKind
}

/** An open directory. Whoever opens one closes it. */
export interface Directory {
  entries(): Promise<Entry[]>
  /** The directory of that name; undefined where there is none, or where the name is something else. */
  directory(name: string): Promise<Directory | undefined>
  /** As `directory`, made when nothing of that name exists; undefined where the name is something else. */
  makeDirectory(name: string): Promise<Directory | undefined>
  /** A regular file for reading; undefined where the name is something else. */
  file(name: string): Promise<FileHandle | undefined>
  /** What is known of an entry itself, never of what a link points to. Undefined: there is none. */
  stat(name: string): Promise<BigIntStats | undefined>
  /** Where a link points. */
  target(name: string): Promise<string>
  /** A new file; fails where the name exists, whatever it is. */
  newFile(name: string, mode: number): Promise<FileHandle>
  /** A new file with the content of a file of ours; shares its blocks where the file system can. */
  copyIn(source: string, name: string, mode: number): Promise<void>
  /** Puts one entry in the place of another. A link that stood there is replaced, not followed. */
  rename(from: string, to: string): Promise<void>
  /** Moves a file or a folder of ours here; it must be on the same disk. */
  moveIn(source: string, name: string): Promise<void>
  link(name: string, target: string): Promise<void>
  /** Removes what is not a directory. Nothing of that name: fine. */
  remove(name: string): Promise<void>
  /** Removes an entry with everything below it, following no link. Nothing of that name: fine. */
  removeTree(name: string): Promise<void>
  /** Removes a directory if nothing is in it. */
  removeEmpty(name: string): Promise<void>
  has(name: string): Promise<boolean>
  close(): Promise<void>
}

/** Opens a directory of ours. Its path may lead through links; from here on none is followed. */
export const openDirectory = async (path: string): Promise<Directory> =>
  directoryOf(await open(path, O_RDONLY | O_DIRECTORY), path)

const directoryOf = (handle: FileHandle, path: string): Directory => {
  const base = process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : path
  const at = (name: string): string => {
    if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
      throw new Error(`${JSON.stringify(name)} is not the name of an entry`)
    }
    return join(base, name)
  }

  const directory = async (name: string): Promise<Directory | undefined> => {
    try {
      return directoryOf(await open(at(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW), join(path, name))
    } catch (error) {
      if (isSomethingElse(error) || errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  return {
    entries: async () =>
      (await readdir(base, { withFileTypes: true }))
        .map((entry): Entry => {
          const kind = entry.isFile() ? 'file' : entry.isDirectory() ? 'directory' : 'other'
          return { name: entry.name, kind: entry.isSymbolicLink() ? 'link' : kind }
        })
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    directory,
    makeDirectory: async (name) => {
      try {
        await mkdir(at(name), 0o755)
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error
      }
      return directory(name)
    },
    file: async (name) => {
      let handle: FileHandle
      try {
        // Without O_NONBLOCK a named pipe would hold up the opening for ever.
        handle = await open(at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
      } catch (error) {
        if (isSomethingElse(error) || ['ENOENT', 'ENXIO'].includes(errnoOf(error) ?? '')) return undefined
        throw error
      }
      if ((await handle.stat()).isFile()) return handle
      await handle.close()
      return undefined
    },
    stat: async (name) => {
      try {
        return await lstat(at(name), { bigint: true })
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return undefined
        throw error
      }
    },
    target: (name) => readlink(at(name)),
    copyIn: async (source, name, mode) => {
      await copyFile(source, at(name), COPYFILE_EXCL | COPYFILE_FICLONE)
      const handle = await open(at(name), O_RDONLY | O_NOFOLLOW)
      try {
        await handle.chmod(mode)
      } finally {
        await handle.close()
      }
    },
    newFile: (name, mode) => open(at(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode),
    rename: (from, to) => rename(at(from), at(to)),
    moveIn: (source, name) => rename(source, at(name)),
    link: (name, target) => symlink(target, at(name)),
    remove: (name) => removeEntry(at(name)),
    // With `rm` names need not be UTF-8, and links are removed as what they are.
    removeTree: (name) => rm(at(name), { recursive: true, force: true }),
    removeEmpty: async (name) => {
      try {
        await rmdir(at(name))
      } catch (error) {
        if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error
      }
    },
    has: async (name) => {
      try {
        await lstat(at(name))
        return true
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return false
        throw error
      }
    },
    close: () => handle.close(),
  }
}

const removeEntry = async (path: string): Promise<void> => {
  try {
    await unlink(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}

/** A link or a file where a directory was asked for, or a link or a socket where a file was. */
const isSomethingElse = (error: unknown): boolean => ['ELOOP', 'ENOTDIR', 'EMLINK'].includes(errnoOf(error) ?? '')
