import type { Workbench, WorkspaceFile } from '@tutti/client'
import { inside } from './inside.ts'

/** Writes them below a folder of this machine. */
export const downloadAll = async (
  workbench: Workbench,
  files: readonly WorkspaceFile[],
  folder: string,
): Promise<void> => {
  // All paths first: where one is refused, nothing is written.
  const targets = await Promise.all(files.map(async (file) => ({ file, target: await inside(folder, file.path) })))
  for (const { file, target } of targets) await workbench.download(file, target)
}
