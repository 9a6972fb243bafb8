/** The runtime's own record of a conversation: a file of one line for each entry, below its configuration folder. */
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

/** Undefined where there is none. */
export const conversationFile = async (configDir: string, session: string): Promise<string | undefined> => {
  const root = join(configDir, 'projects')
  for (const project of await readdir(root).catch(() => [])) {
    const path = join(root, project, `${session}.jsonl`)
    if ((await stat(path).catch(() => undefined))?.isFile()) return path
  }
  return undefined
}

/** It is written some milliseconds behind what is told. */
const patienceMs = 1_000
const pauseMs = 2
/** The entry is among the last; one may hold a tool's whole answer. */
const tailBytes = 1024 * 1024

/** Whether an entry with this number has been written down, and with it all before it. Waits a moment for it. */
export const isWritten = async (path: string, uuid: string): Promise<boolean> => {
  const deadline = performance.now() + patienceMs
  const entry = `"uuid":"${uuid}"`
  for (;;) {
    const end = await tailOf(path)
    if (end.includes(entry) && end.endsWith('\n')) return true
    if (performance.now() > deadline) return false
    await setTimeout(pauseMs)
  }
}

const tailOf = async (path: string): Promise<string> => {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const length = Math.min(size, tailBytes)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}
