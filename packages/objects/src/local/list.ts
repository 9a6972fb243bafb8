import { opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { checkPageLimit, compareKeys } from '../keys.ts'
import type { ObjectPage } from '../port.ts'
import { folderExists, isAbsent } from './folders.ts'
import { footerLength } from './footer.ts'
import { prefixToFolder, readEntry } from './layout.ts'

export interface ListRequest {
  objects: string
  prefix: string
  /** The last key of the page before. */
  cursor: string | null
  limit: number
}

/**
 * One page. A folder is walked in the disk's order, not in the keys', so each page walks what can still follow the
 * cursor; it holds a few pages of keys in memory, however many objects there are.
 */
export async function listObjects(request: ListRequest): Promise<ObjectPage> {
  const { limit } = request
  checkPageLimit(limit)
  const candidates = await smallest(walk(request), limit + 1)
  const page = candidates.slice(0, limit)
  const objects: ObjectPage['objects'] = []
  for (const { key, path } of page) {
    const found = await stat(path).catch(absentAsNull)
    if (found !== null) objects.push({ key, size: found.size - footerLength, modifiedAt: found.mtime })
  }
  const last = page.at(-1)
  return { objects, cursor: candidates.length > limit && last !== undefined ? last.key : null }
}

interface Candidate {
  key: string
  path: string
}

async function* walk({ objects, prefix, cursor }: ListRequest): AsyncIterable<Candidate> {
  const start = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  const waiting = [{ folder: join(objects, prefixToFolder(prefix)), folderKey: start }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { folder, folderKey } = next
    for await (const entry of entriesOf(folder)) {
      const meaning = readEntry(folderKey, entry.name)
      const path = join(folder, entry.name)
      if (meaning?.kind === 'object' && entry.isFile() && matches(meaning.key, prefix, cursor)) {
        yield { key: meaning.key, path }
      }
      // A symbolic link is no directory here, so the walk can't leave the root.
      if (meaning?.kind === 'folder' && entry.isDirectory() && mayHold(meaning.key, prefix, cursor)) {
        waiting.push({ folder: path, folderKey: meaning.key })
      }
    }
  }
}

async function* entriesOf(folder: string) {
  if (!(await folderExists(folder))) return
  const directory = await opendir(folder, { bufferSize: 256 }).catch(absentAsNull)
  if (directory !== null) yield* directory
}

function matches(key: string, prefix: string, cursor: string | null): boolean {
  return key.startsWith(prefix) && (cursor === null || compareKeys(key, cursor) > 0)
}

/** Whether a key that begins with `beginning` can match the prefix and come after the cursor. */
function mayHold(beginning: string, prefix: string, cursor: string | null): boolean {
  if (!beginning.startsWith(prefix) && !prefix.startsWith(beginning)) return false
  return cursor === null || cursor.startsWith(beginning) || compareKeys(beginning, cursor) > 0
}

async function smallest(candidates: AsyncIterable<Candidate>, count: number): Promise<Candidate[]> {
  let kept: Candidate[] = []
  const trim = () => {
    kept = kept.sort((a, b) => compareKeys(a.key, b.key)).slice(0, count)
  }
  for await (const candidate of candidates) {
    kept.push(candidate)
    if (kept.length >= count * 4) trim()
  }
  trim()
  return kept
}

function absentAsNull(error: unknown): null {
  if (isAbsent(error)) return null
  throw error
}
