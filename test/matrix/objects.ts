/**
 * Objects of the workbench that one user really has: made over HTTP, by the user and by a manager. And which of them an
 * address means: a new kind of object needs a line in `make` and one in `kindOf`.
 */
import { blobKey, type ClaimedRun, screenshotKey, sessionPrefix, type WorkspaceManifest } from '@tutti/contracts'
import { createLocalObjects } from '@tutti/objects'

export type Kind =
  | 'session'
  | 'run'
  | 'message'
  | 'assistant message'
  | 'project'
  | 'tool execution'
  | 'tool use'
  | 'request'
  | 'queue item'

export type Objects = Record<Kind, string>

export const missing: Objects = {
  session: '6f2a1c84-0000-4000-8000-000000000001',
  run: '6f2a1c84-0000-4000-8000-000000000002',
  message: '900000001',
  'assistant message': '900000002',
  project: '6f2a1c84-0000-4000-8000-000000000003',
  'tool execution': '6f2a1c84-0000-4000-8000-000000000004',
  'tool use': 'toolu_missing',
  request: '6f2a1c84-0000-4000-8000-000000000005',
  'queue item': '6f2a1c84-0000-4000-8000-000000000006',
}

/** What a parameter of a path names. */
export const kindOf = (path: string, param: string): Kind | undefined => {
  if (param === 'item') return 'queue item'
  if (param === 'tool_use_id') return 'tool use'
  if (param === 'other') return 'run'
  if (param !== 'id') return undefined
  const before = path.split('/{id}')[0] ?? ''
  if (/\/(sessions|runs\/session)$/.test(before)) return 'session'
  if (before.endsWith('/runs')) return 'run'
  if (before.endsWith('/messages')) return 'message'
  if (before.endsWith('/projects')) return 'project'
  if (before.endsWith('/tool-executions')) return 'tool execution'
  if (before.endsWith('/user-input-requests')) return 'request'
  return undefined
}

/** What a field of a body or a query names. */
export const kindOfField: Record<string, Kind> = {
  session_id: 'session',
  project_id: 'project',
  run_id: 'run',
  message_id: 'message',
  user_message_id: 'message',
  assistant_message_id: 'assistant message',
}

export interface Maker {
  user(method: string, path: string, body?: object): Promise<unknown>
  manager(path: string, body: object): Promise<unknown>
  objectsRoot: string
}

/** A session with a turn that is over and has its files, one that waits for an answer, and a message behind that. */
export const make = async ({ user, manager, objectsRoot }: Maker): Promise<Objects> => {
  const project = (await user('POST', '/projects', { name: 'A project' })) as { project_id: string }
  const { session_id } = (await user('POST', '/tasks', {
    ...{ prompt: 'hello', project_id: project.project_id },
  })) as { session_id: string }
  const claim = async (): Promise<[ClaimedRun, object]> => {
    const run = (await manager('/runs/claim', { worker_id: 'm', boot_id: 'b', wait_seconds: 20 })) as ClaimedRun
    const holder = { worker_id: 'm', lease_token: run.lease_token, attempt: run.attempt }
    if (run.session_id === session_id) return [run, holder]
    // What other requests have left in the queue.
    await manager(`/runs/${run.run_id}/finish`, { ...holder, outcome: 'canceled' })
    return claim()
  }
  const [run, holder] = await claim()
  const said = (n: number, event: object) => ({ n, at: Date.now(), event })
  const id = crypto.randomUUID().slice(0, 8)
  const use = `toolu_${id}`
  const call = { tool_use_id: use, name: 'Bash', input: { command: 'ls' }, parent_tool_use_id: null }
  const text = { role: 'assistant', blocks: [{ type: 'text', text: 'done' }], parent_tool_use_id: null }
  await manager(`/runs/${run.run_id}/events`, {
    ...holder,
    events: [
      said(1, { type: 'tool_call', ...call }),
      said(2, { type: 'tool_result', tool_use_id: use, output: 'a.txt', is_error: false, duration_ms: 5 }),
      said(3, { type: 'message', ...text }),
    ],
  })
  await storeScreenshot(objectsRoot, run, use)
  await manager(`/runs/${run.run_id}/finish`, {
    ...{ ...holder, outcome: 'completed', export: await storeFiles(objectsRoot, run) },
  })
  await user('POST', '/tasks', { prompt: 'and now?', session_id })
  const [second, secondHolder] = await claim()
  const asked = { kind: 'permission', tool_use_id: `${use}_2`, tool_name: 'Bash', input: { command: 'rm' } }
  await manager(`/runs/${second.run_id}/events`, { ...secondHolder, events: [said(1, { type: 'request', ...asked })] })
  await manager(`/runs/${second.run_id}/finish`, {
    ...{ ...secondHolder, outcome: 'parked', park: { reason: 'input', until: null } },
  })
  const queued = (await user('POST', '/tasks', { prompt: 'later', session_id })) as { queue_item_id: string }
  const messages = (await user('GET', `/sessions/${session_id}/messages`)) as { id: number; role: string }[]
  const tools = (await user('GET', `/sessions/${session_id}/tool-executions`)) as { id: string }[]
  const requests = (await user('GET', `/user-input-requests?session_id=${session_id}`)) as { id: string }[]
  const first = (role: string): string => String(messages.find((each) => each.role === role)?.id)
  return {
    ...{ session: session_id, run: run.run_id, project: project.project_id, 'tool use': use },
    ...{ message: first('user'), 'assistant message': first('assistant') },
    'tool execution': tools[0]?.id ?? '',
    request: requests[0]?.id ?? '',
    'queue item': queued.queue_item_id,
  }
}

const storeOf = (root: string) => createLocalObjects({ root, publicUrl: 'http://nowhere', secret: 'none' })

const storeScreenshot = async (root: string, { user_id, session_id, run_id }: ClaimedRun, tool_use_id: string) =>
  storeOf(root).put(screenshotKey({ user_id, session_id, run_id, tool_use_id }), 'a picture')

/** As a manager exports them. @returns the report of it */
const storeFiles = async (root: string, { user_id, session_id, run_id }: ClaimedRun): Promise<object> => {
  const store = storeOf(root)
  const prefix = sessionPrefix(user_id, session_id)
  const base = `${prefix}/runs/${run_id}/1-test`
  const { sha256 } = await store.put('scratch', `files of ${user_id}`)
  const { key, size } = await store.put(blobKey(prefix, sha256), `files of ${user_id}`)
  const file = { path: 'folder/a.txt', key, size, sha256, mode: 0o644, mimeType: 'text/plain' }
  const files = [{ ...file, status: 'uploaded' as const, last_modified: new Date(0).toISOString() }]
  const manifest: WorkspaceManifest = {
    ...{ version: 1, generated_at: new Date().toISOString(), session_id, run_id, files, deleted: [], skipped: [] },
    private_key: `${base}/private.json`,
  }
  const rest = { version: 1, files: [], links: [], folders: [] }
  await store.put(manifest.private_key, JSON.stringify(rest))
  await store.put(`${base}/manifest.json`, JSON.stringify(manifest))
  return { status: 'ready', prefix: `${prefix}/blobs`, manifest_key: `${base}/manifest.json`, files }
}
