/** What an installation says of a session once it has come to rest. */
import { createHash } from 'node:crypto'
import type { FileNode, MessageView, RunView, SessionFrame, ToolExecutionView } from '@tutti/contracts'
import { filesIn, type WorkspaceFile } from '../../packages/client/src/workspace-files.ts'
import type { Caller } from './client.ts'
import type { PlayedSession } from './player.ts'

export interface SessionFacts {
  frames: SessionFrame[]
  messages: MessageView[]
  runs: Map<string, RunView>
  tools: ToolExecutionView[]
  files: Map<string, { sha256: string; contents: string }>
  queued: number
  /** Of the session as it is shown. */
  status: string
}

/** @throws Error where a file of the list can't be read, or is another than the list says */
export const readFacts = async ({ get }: Caller, session: PlayedSession): Promise<SessionFacts> => {
  const path = `/sessions/${session.sessionId}`
  const frames: SessionFrame[] = []
  for (let more = true; more; ) {
    const page = await get<{ items: SessionFrame[]; has_more: boolean }>(
      `${path}/events?since=${frames.at(-1)?.seq ?? 0}`,
    )
    frames.push(...page.items)
    more = page.has_more
  }
  const runs = await get<RunView[]>(`/runs/session/${session.sessionId}?limit=200`)
  const files = new Map<string, { sha256: string; contents: string }>()
  for (const file of filesIn(await get<FileNode[]>(`${path}/workspace/files`))) files.set(file.path, await read(file))
  return {
    ...{ frames, files },
    messages: await get<MessageView[]>(`${path}/messages?limit=1000`),
    runs: new Map(runs.map((run) => [run.run_id, run])),
    tools: await get<ToolExecutionView[]>(`${path}/tool-executions?limit=500`),
    queued: (await get<unknown[]>(`${path}/queued-queries`)).length,
    status: (await get<{ status: string }>(path)).status,
  }
}

const read = async ({ path, sha256, url }: WorkspaceFile): Promise<{ sha256: string; contents: string }> => {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${path} of the list can’t be read: ${response.status}`)
  const contents = await response.text()
  const found = createHash('sha256').update(contents).digest('hex')
  if (found !== sha256) throw new Error(`${path} has the hash ${found}, and the list says ${sha256}`)
  return { sha256, contents }
}
