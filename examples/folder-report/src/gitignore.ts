/** .gitignore files of a folder and the folders above it, down from the root of the scan. */
import { join } from 'node:path'
import ignore, { type Ignore } from 'ignore'
import { openRegular } from './root.ts'

interface Level {
  /** Path of the .gitignore's folder below the root, with a slash at the end; '' for the root. */
  folder: string
  rules: Ignore
}

/** Nearest first. */
export type IgnoreLevels = readonly Level[]

/** Adds the .gitignore of one more folder, if it has one. */
export const enterFolder = async (root: string, folder: string, above: IgnoreLevels): Promise<IgnoreLevels> => {
  // Like git, not through a symbolic link.
  const handle = await openRegular(join(root, folder, '.gitignore')).catch(() => undefined)
  if (handle === undefined) return above
  try {
    const rules = ignore({ ignorecase: false }).add(await handle.readFile('utf8'))
    return [{ folder, rules }, ...above]
  } finally {
    await handle.close()
  }
}

/** `name` of a folder ends with a slash. The nearest .gitignore that says anything about the entry decides. */
export const isIgnored = (levels: IgnoreLevels, folder: string, name: string): boolean => {
  for (const level of levels) {
    const inner = folder.slice(level.folder.length)
    // The walk is inside a folder that this file ignores: a nearer one has let it in again, and that decision stands.
    if (inner !== '' && level.rules.test(inner).ignored) continue
    const said = level.rules.test(inner + name)
    if (said.ignored) return true
    if (said.unignored) return false
  }
  return false
}
