/** Sandboxes that live, as their drivers write them down: the command line of one tells nobody whose it is. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface SandboxRecord {
  id: string
  workspace: string
  cgroups: string[]
  /** The process that started it. */
  manager: { pid: number; startTime: string }
  /** The outermost process. */
  outer?: { pid: number }
}

/** Records of sandboxes whose workspaces lie below `root`, by managers with these workspace roots. */
export const sandboxRecords = async (root: string, workspaceRoots: readonly string[]): Promise<SandboxRecord[]> => {
  const found: SandboxRecord[] = []
  const folders = workspaceRoots.map((each) =>
    process.getuid?.() === 0 ? '/var/lib/tutti/sandboxes' : join(each, 'sandboxes'),
  )
  for (const folder of new Set(folders)) {
    const dir = join(folder, 'sandboxes')
    for (const name of await readdir(dir).catch(() => [])) {
      const text = await readFile(join(dir, name), 'utf8').catch(() => '')
      // Half of one is being written.
      if (text.includes(root) && text.endsWith('}')) found.push(JSON.parse(text) as SandboxRecord)
    }
  }
  return found
}
