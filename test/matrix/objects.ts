/**
 * Objects of the workbench that one user really has, and those of the operator: made over HTTP, by the user and by a manager. A
 * new kind of object needs a line in `alone`, or a part in the conversation.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  blobKey,
  type ClaimedRun,
  screenshotKey,
  sessionPrefix,
  userFolder,
  type WorkspaceManifest,
} from '@tutti/contracts'
import { createLocalObjects } from '@tutti/objects'
import { type Kind, kinds, type Objects } from './kinds.ts'

export interface Maker {
  userId: string
  user(method: string, path: string, body?: object): Promise<unknown>
  upload(name: string, text: string): Promise<{ source: string }>
  manager(path: string, body: object): Promise<unknown>
  objectsRoot: string
  /** Of the manager's host. */
  workspaceRoot: string
}

/** @param wanted what is made; several that belong together are made together */
export const make = async (maker: Maker, wanted: readonly Kind[] = kinds): Promise<Partial<Objects>> => {
  const made: Partial<Objects> = wanted.some((kind) => alone[kind] === undefined) ? await makeConversation(maker) : {}
  for (const kind of wanted) {
    const id = await alone[kind]?.(maker, `a${crypto.randomUUID().slice(0, 8)}`)
    if (id !== undefined) made[kind] = String(id)
  }
  return made
}

/** What belongs to nothing else. All of it switched off, so that runs of others are as they were. */
const alone: Partial<Record<Kind, (maker: Maker, name: string) => Promise<unknown>>> = {
  memory: async ({ user }, text) => ((await user('POST', '/memories', { text })) as { job_id: string }).job_id,
  'scheduled task': async ({ user }, name) => {
    const task = await user('POST', '/scheduled-tasks', { name, cron: '0 0 1 1 *', prompt: 'hello' })
    return (task as { scheduled_task_id: string }).scheduled_task_id
  },
  'env var': ({ user }, key) => idOf(user('POST', '/env-vars', { key, value: 'secret' })),
  'mcp server': ({ user }, name) => idOf(user('POST', '/mcp-servers', mcpServer(name))),
  skill: ({ user }, name) => idOf(user('POST', '/skills', skill(name))),
  plugin: ({ user }, name) => idOf(user('POST', '/plugins', plugin(name))),
  'mcp install': async ({ user }, name) => {
    const server_id = await idOf(user('POST', '/mcp-servers', mcpServer(name)))
    return idOf(user('POST', '/mcp-installs', { server_id, enabled: false }))
  },
  'skill install': async ({ user }, name) => {
    const skill_id = await idOf(user('POST', '/skills', skill(name)))
    return idOf(user('POST', '/skill-installs', { skill_id, enabled: false }))
  },
  'plugin install': async ({ user }, name) => {
    const plugin_id = await idOf(user('POST', '/plugins', plugin(name)))
    return idOf(user('POST', '/plugin-installs', { plugin_id, enabled: false }))
  },
  'slash command': ({ user }, name) =>
    idOf(user('POST', '/slash-commands', { name, content: 'Do it.', enabled: false })),
  subagent: ({ user }, name) =>
    idOf(user('POST', '/subagents', { name, description: 'of tests', prompt: 'Do it.', enabled: false })),
  preset: ({ user }, name) => idOf(user('POST', '/presets', { name })),
  'operator’s env var': ({ manager }, key) => idOf(manager('/internal/system-env-vars', { key, value: 'secret' })),
  'operator’s mcp server': ({ manager }, name) => idOf(manager('/internal/mcp-servers', mcpServer(name))),
  'operator’s skill': ({ manager }, name) => idOf(manager('/internal/skills', skill(name))),
  'operator’s plugin': ({ manager }, name) => idOf(manager('/internal/plugins', plugin(name))),
}

const idOf = async (made: Promise<unknown>): Promise<number> => ((await made) as { id: number }).id

const mcpServer = (name: string) => ({ name, server_config: { command: 'true' } })

export const skill = (name: string) => ({
  files: [{ path: 'SKILL.md', content: `---\nname: ${name}\ndescription: of tests\n---\nDo it.\n` }],
})

export const plugin = (name: string) => ({
  files: [{ path: '.claude-plugin/plugin.json', content: JSON.stringify({ name }) }],
})

/**
 * A session in a project, with a turn that is over and has its files, one that waits for an answer, and a message behind that. Its
 * workspace lies on the manager's host.
 */
const makeConversation = async (maker: Maker): Promise<Partial<Objects>> => {
  const { userId, user, upload, manager, objectsRoot, workspaceRoot } = maker
  const project = (await user('POST', '/projects', { name: 'A project' })) as { project_id: string }
  const { session_id } = (await user('POST', '/tasks', {
    ...{ prompt: 'hello', project_id: project.project_id },
  })) as { session_id: string }
  const { source } = await upload('a.txt', 'a file')
  const file = { file_name: 'a.txt', file_source: source }
  const given = (await user('POST', `/projects/${project.project_id}/files`, file)) as { id: number }
  await placeWorkspace(join(workspaceRoot, 'active', userFolder(userId), session_id), userId, session_id)
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
    ...{ user: userId, upload: source, 'project file': String(given.id) },
    ...{ session: session_id, run: run.run_id, project: project.project_id, 'tool use': use },
    ...{ message: first('user'), 'assistant message': first('assistant') },
    'tool execution': tools[0]?.id ?? '',
    request: requests[0]?.id ?? '',
    'queue item': queued.queue_item_id,
  }
}

/** As a manager leaves it, when all of it is stored. */
const placeWorkspace = async (folder: string, user_id: string, session_id: string): Promise<void> => {
  const workspace_path = join(folder, 'workspace')
  await mkdir(workspace_path, { recursive: true })
  await writeFile(join(workspace_path, 'a.txt'), `of ${user_id}`)
  const at = new Date().toISOString()
  const meta = {
    ...{ session_id, user_id, task_id: session_id, created_at: at, last_used_at: at, status: 'idle', pid: process.pid },
    ...{ workspace_path, size_bytes: 10, base_key: 'stored', stored_key: 'stored', changed: false },
  }
  await writeFile(join(folder, 'meta.json'), JSON.stringify(meta))
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
