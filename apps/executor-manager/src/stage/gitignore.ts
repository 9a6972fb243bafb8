/**
 * .gitignore files while a folder is copied. What git does not track is built, fetched or secret: `.env` and its like must
 * not reach an agent because nobody thought of them, and a data directory of ours must not be copied into itself.
 */
import ignore, { type Ignore } from 'ignore'
import type { Directory } from '../files/directory.ts'

interface Level {
  /** Path of the .gitignore's folder below the copied one, with a slash at the end; '' for that one itself. */
  folder: string
  rules: Ignore
}

/** Nearest first. */
export type IgnoreLevels = readonly Level[]

/** A larger one is no list of patterns. */
const mostBytes = 1024 * 1024

/** Adds the .gitignore of one more folder, if it has one. */
export const enterFolder = async (source: Directory, folder: string, above: IgnoreLevels): Promise<IgnoreLevels> => {
  const handle = await source.file('.gitignore')
  if (handle === undefined) return above
  try {
    if ((await handle.stat()).size > mostBytes) return above
    return [{ folder, rules: ignore({ ignorecase: false }).add(await handle.readFile('utf8')) }, ...above]
  } finally {
    await handle.close()
  }
}

/** `name` of a folder ends with a slash. The nearest .gitignore that says anything about the entry decides. */
export const isIgnored = (levels: IgnoreLevels, folder: string, name: string): boolean => {
  for (const level of levels) {
    const said = level.rules.test(folder.slice(level.folder.length) + name)
    if (said.ignored) return true
    if (said.unignored) return false
  }
  return false
}
