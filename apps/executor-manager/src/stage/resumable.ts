import { openDirectory } from '../files/directory.ts'
import { runtimeFolder } from './paths.ts'

/**
 * Whether the runtime's own record of a conversation lies in the workspace. Without it the runtime refuses to resume, and
 * so would every further attempt: an attempt that died early, or another host, must begin the conversation anew.
 */
export const hasConversation = async (workspace: string, agentSessionId: string): Promise<boolean> => {
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(agentSessionId)) return false
  let current = await openDirectory(workspace)
  try {
    for (const name of [runtimeFolder, 'claude', 'projects']) {
      const next = await current.directory(name)
      if (next === undefined) return false
      await current.close()
      current = next
    }
    for (const { name } of await current.entries()) {
      const project = await current.directory(name)
      if (project === undefined) continue
      try {
        const record = await project.file(`${agentSessionId}.jsonl`)
        if (record === undefined) continue
        await record.close()
        return true
      } finally {
        await project.close()
      }
    }
    return false
  } finally {
    await current.close()
  }
}
