/** Files that the agent reads and writes through the client: those of the workspace, wherever links lead. */
import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import type { ReadTextFileRequest, WriteTextFileRequest } from '@agentclientprotocol/sdk'

export const readTextFile = async (root: string, { path, line, limit }: ReadTextFileRequest): Promise<string> => {
  const content = await readFile(await within(root, path), 'utf8')
  if (line == null && limit == null) return content
  const from = Math.max(0, (line ?? 1) - 1)
  return content
    .split('\n')
    .slice(from, limit == null ? undefined : from + limit)
    .join('\n')
}

export const writeTextFile = async (root: string, { path, content }: WriteTextFileRequest): Promise<void> => {
  const target = await within(root, path)
  await mkdir(dirname(target), { recursive: true })
  await writeFile(target, content)
}

/** The path with its links followed, as far as it exists. @throws where that is not below the root. */
const within = async (root: string, path: string): Promise<string> => {
  const top = await realpath(root)
  const resolved = await follow(isAbsolute(path) ? path : join(top, path))
  const below = relative(top, resolved)
  if (below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below))
    throw new Error(`${path} is not in the workspace`)
  return resolved
}

const follow = async (path: string): Promise<string> => {
  try {
    return await realpath(path)
  } catch (error) {
    if (dirname(path) === path || !(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    const parent = await follow(dirname(path))
    return join(parent, path.slice(dirname(path).length).replace(/^\/+/, ''))
  }
}
