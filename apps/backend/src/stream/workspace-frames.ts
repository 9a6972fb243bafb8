/**
 * What a reader of a session is shown of its files: the tree when it connects, when a run has stored another one, and whenever it
 * asks. Addresses expire, so these frames are made for one reader at one moment, and are no lines of the log.
 */
import { type FileNode, type JsonObject, type SessionFrame, type SessionView, TuttiError } from '@tutti/contracts'
import type { RouteDeps } from '../deps.ts'
import { addressOf, fileTree } from '../routes/file-views.ts'

/** More would be megabytes to every reader after every turn; they are listed at the address that the frame names. */
const mostFiles = 5_000

type Deps = Pick<RouteDeps, 'workbench' | 'objects' | 'config' | 'log'>

export interface WorkspaceFrames {
  /** The frames, and behind those that tell of a stored workspace the files in it. */
  among(frames: AsyncIterable<SessionFrame>): AsyncGenerator<SessionFrame, void, undefined>
  files(): Promise<SessionFrame>
  /** Of the path in a reader's request; null for what is not there. */
  address(path: unknown): Promise<SessionFrame>
}

export const workspaceFrames = (deps: Deps, userId: string, sessionId: string): WorkspaceFrames => {
  const { workbench } = deps
  const frame = (type: SessionFrame['type'], seq: number, data: JsonObject): SessionFrame => ({
    ...{ type, session_id: sessionId, seq, data, timestamp: new Date().toISOString() },
  })

  const find = async (): Promise<SessionView | undefined> => {
    try {
      return await workbench.session(userId, sessionId)
    } catch (error) {
      if (error instanceof TuttiError) return undefined
      throw error
    }
  }

  const tree = async (): Promise<{ files: FileNode[]; error: string | null }> => {
    try {
      const files = await workbench.files(userId, { sessionId })
      if (files.length <= mostFiles) return { files: await fileTree(deps, files), error: null }
      const where = `GET /api/v1/sessions/${sessionId}/workspace/files`
      return { files: [], error: `${files.length} files are too many for a frame: ${where}` }
    } catch (error) {
      if (error instanceof TuttiError) return { files: [], error: error.message }
      // The reader's other frames go on; object storage may be back for the next request.
      deps.log.error({ err: error, session_id: sessionId }, 'the files of a session could not be listed for a reader')
      return { files: [], error: 'The files can’t be listed now' }
    }
  }

  const files = async (): Promise<SessionFrame> => {
    const session = await find()
    const { files, error } = session ? await tree() : { files: [], error: 'Session not found' }
    const export_status = session?.workspace_export_status ?? null
    return frame('workspace.files', session?.seq ?? 0, {
      export_status,
      files: files as unknown as JsonObject[],
      error,
    })
  }

  return {
    files,
    async *among(frames) {
      // What the log tells of exports up to here is in the first list already.
      let listed = 0
      for await (const each of frames) {
        yield each
        const isFirst = each.type === 'session.snapshot' && each.data.workspace_export_status === 'ready'
        const isNew = each.type === 'workspace.export' && each.data.export_status === 'ready' && each.seq > listed
        if (!isFirst && !isNew) continue
        listed = each.seq
        yield { ...(await files()), seq: each.seq }
      }
    },
    address: async (path) => {
      const session = await find()
      const shown = typeof path === 'string' ? path : ''
      const url = await workbench
        .file(userId, { sessionId }, shown)
        .then((file) => addressOf(deps, file))
        .catch((error: unknown) => {
          if (error instanceof TuttiError) return null
          throw error
        })
      return frame('workspace.file.url', session?.seq ?? 0, { path: shown, url })
    },
  }
}
