import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')

/** The Markdown files below a folder of the repository, as paths from its root. */
export const markdownBelow = async (folder: string): Promise<string[]> => {
  const found = await readdir(join(repository, folder), { recursive: true })
  return found
    .filter((path) => path.endsWith('.md'))
    .map((path) => `${folder}/${path}`)
    .sort()
}
