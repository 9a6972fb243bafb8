import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { type Directory, openDirectory } from '../files/directory.ts'

/** Opens a file of the workspace step by step, following no link, and closes it after use. Undefined: it is gone. */
export const withFile = async <T>(
  workspace: string,
  path: string,
  use: (file: FileHandle) => Promise<T>,
): Promise<T | undefined> => {
  const segments = path.split('/')
  const name = segments.pop() ?? ''
  let folder: Directory = await openDirectory(workspace)
  try {
    for (const segment of segments) {
      const next = await folder.directory(segment)
      if (next === undefined) return undefined
      await folder.close()
      folder = next
    }
    const file = await folder.file(name)
    if (file === undefined) return undefined
    try {
      return await use(file)
    } finally {
      await file.close()
    }
  } finally {
    await folder.close()
  }
}

export const sha256Of = async (file: FileHandle): Promise<string> => {
  const hash = createHash('sha256')
  for await (const chunk of file.createReadStream({ autoClose: false, start: 0 })) hash.update(chunk)
  return hash.digest('hex')
}
