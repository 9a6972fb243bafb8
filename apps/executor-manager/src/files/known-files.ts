/**
 * Which content the files of a workspace have, as far as that is known without reading them: a file whose size, time of
 * change and inode are those of before is taken to be the same. An agent that resets a time deceives its own session only.
 * Nothing runs in the workspace while hashes are taken, and a sandbox takes longer to start than a file system's clock
 * to tick; so a file can't change unseen in the tick in which it was hashed.
 */
import type { BigIntStats } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { errnoOf } from '../fault.ts'
import { writeWhole } from '../stage/home.ts'

export interface Known {
  sha256: string
  /** It lies in object storage, under the session's own prefix. */
  stored: boolean
}

export interface KnownFiles {
  get(path: string, stats: FileStats): Known | undefined
  set(path: string, stats: FileStats, known: Known): void
  /** Of everything that is known to be stored. */
  storedHashes(): Set<string>
  /** Of every file that is known to be stored, whether it is still in the workspace or not. */
  storedPaths(): string[]
  /** Takes over what another list knows of some files. */
  adopt(other: KnownFiles, which: (path: string) => boolean): void
  rows(): Iterable<Row>
  /** Forgets all other files. */
  retain(paths: ReadonlySet<string>): void
  save(): Promise<void>
}

/** `lstat` with bigints; change times are told apart by nanoseconds. */
export type FileStats = Pick<BigIntStats, 'size' | 'mtimeNs' | 'ino'>

type Row = [path: string, identity: string, sha256: string, stored: 0 | 1]

export const openKnownFiles = async (path: string): Promise<KnownFiles> => knownFiles(path, await readRows(path))

/** Knows nothing yet; when saved, it replaces what was known: for who sees every file of the workspace anyway. */
export const newKnownFiles = (path: string): KnownFiles => knownFiles(path, [])

const knownFiles = (path: string, known: readonly Row[]): KnownFiles => {
  const rows = new Map(known.map((row) => [row[0], row]))
  return {
    get: (file, stats) => {
      const row = rows.get(file)
      return row?.[1] === identityOf(stats) ? { sha256: row[2], stored: row[3] === 1 } : undefined
    },
    set: (file, stats, { sha256, stored }) => {
      rows.set(file, [file, identityOf(stats), sha256, stored ? 1 : 0])
    },
    storedHashes: () => new Set([...rows.values()].flatMap((row) => (row[3] === 1 ? [row[2]] : []))),
    storedPaths: () => [...rows.values()].flatMap((row) => (row[3] === 1 ? [row[0]] : [])),
    adopt: (other, which) => {
      for (const row of other.rows()) if (which(row[0])) rows.set(row[0], row)
    },
    rows: () => rows.values(),
    retain: (paths) => {
      for (const file of rows.keys()) if (!paths.has(file)) rows.delete(file)
    },
    save: () => writeWhole(path, JSON.stringify({ version: 1, files: [...rows.values()] })),
  }
}

const identityOf = ({ size, mtimeNs, ino }: FileStats): string => `${size}:${mtimeNs}:${ino}`

/** Nothing is known where the list is missing or damaged: everything is read again then. */
const readRows = async (path: string): Promise<Row[]> => {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (typeof value !== 'object' || value === null || !('files' in value) || !Array.isArray(value.files)) return []
    return value.files.filter(isRow)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return []
    throw error
  }
}

const isRow = (row: unknown): row is Row =>
  Array.isArray(row) &&
  row.length === 4 &&
  row.slice(0, 3).every((part) => typeof part === 'string') &&
  /^[0-9a-f]{64}$/.test(row[2])
