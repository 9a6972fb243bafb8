import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ClaimedRun,
  type FileNode,
  type InputFile,
  type PrivateManifest,
  type SessionFrame,
  sessionPrefix,
  type WorkspaceManifest,
} from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endWithFiles, type Files, filesIn } from './support/snapshot.ts'
import { claimNew, createStage, holder, type Running, read, type Stage, upload } from './support/stage.ts'

let stage: Stage
let backend: Running

beforeAll(async () => {
  stage = await createStage()
  backend = await stage.backend()
})
afterAll(() => stage.close())

const end = (run: ClaimedRun, shown: Files, hidden?: Files) => endWithFiles(stage, backend, run, shown, hidden)
const nextRun = async (sessionId: string, config = {}): Promise<ClaimedRun> => {
  await backend.post('/api/v1/tasks', { prompt: 'go on', session_id: sessionId, config })
  const asked = { worker_id: 'manager-1', boot_id: 'boot-1', lease_seconds: 60, wait_seconds: 20 }
  return (await backend.manage('/claim', asked)).body.data as unknown as ClaimedRun
}
const json = async (key: string) => JSON.parse((await (await stage.objects.get(key)).stream.toArray()).join(''))
const pathsOf = async (path: string) =>
  filesIn((await backend.get(path)).body.data as FileNode[]).map((file) => file.path.slice(1))
const fetched = async (url: string) => {
  const { pathname, search } = new URL(url)
  return Buffer.from(await (await fetch(backend.address + pathname + search)).arrayBuffer())
}

test('each-run-keeps-its-own-files, and the next run is told which snapshot it begins with', async () => {
  const first = await claimNew(backend)
  expect(first.snapshot_key).toBeNull()
  const key = await end(first, { 'a.txt': '1', 'b.txt': '' })
  const second = await nextRun(first.session_id)
  expect(second.snapshot_key).toBe(key)
  await end(second, { 'a.txt': '2' })
  expect(await pathsOf(`/api/v1/runs/${first.run_id}/workspace/files`)).toEqual(['a.txt', 'b.txt'])
  expect(await pathsOf(`/api/v1/sessions/${first.session_id}/workspace/files`)).toEqual(['a.txt'])
  const [file] = (await backend.get(`/api/v1/runs/${first.run_id}/workspace/files`)).body.data as { url: string }[]
  expect((await fetched(file?.url ?? '')).toString()).toBe('1')
})

test('rewinding-sets-the-files-and-keeps-the-memory, and can be undone', async () => {
  const memory = '.tutti/claude/projects/-workspace/s.jsonl'
  const first = await claimNew(backend)
  await end(first, { 'a.txt': '1' }, { '.env': 'first', [memory]: 'short' })
  const second = await nextRun(first.session_id)
  const session = `/api/v1/sessions/${first.session_id}`
  const rewind = (run_id: string) => backend.post(`${session}/rewind`, { run_id })
  expect(await rewind(first.run_id)).toMatchObject({ status: 409, body: { data: { code: 'SESSION_BUSY' } } })
  await end(second, { 'a.txt': '2', 'new.txt': 'n' }, { '.env': 'second', [memory]: 'long' })

  const { workspace_manifest_key: key } = (await rewind(first.run_id)).body.data as { workspace_manifest_key: string }
  expect(await pathsOf(`${session}/workspace/files`)).toEqual(['a.txt'])
  const manifest: WorkspaceManifest = await json(key)
  expect(manifest.deleted).toEqual(['new.txt'])
  const hidden: PrivateManifest = await json(manifest.private_key)
  const contents = await Promise.all(
    hidden.files.map(async (file) => (await (await stage.objects.get(file.key)).stream.toArray()).join('')),
  )
  expect(Object.fromEntries(hidden.files.map(({ path }, at) => [path, contents[at]]))).toEqual({
    '.env': 'first',
    [memory]: 'long',
  })
  const log = (await backend.get(`${session}/events`)).body.data as { items: { type: string; data: object }[] }
  expect(log.items.at(-1)).toMatchObject({ type: 'workspace.export', data: { rewound: true, run_id: first.run_id } })
  // Neither run has lost its own.
  expect(await pathsOf(`/api/v1/runs/${second.run_id}/workspace/files`)).toEqual(['a.txt', 'new.txt'])
  await rewind(second.run_id)
  const third = await nextRun(first.session_id)
  expect((await json(third.snapshot_key ?? '')).files).toMatchObject([{ path: 'a.txt' }, { path: 'new.txt' }])
  expect(third.snapshot_key).toContain('/rewinds/')
})

test('a-branch-lists-all-the-files-of-its-turn, not only those that the turn changed', async () => {
  const first = await claimNew(backend)
  await end(first, { 'a.txt': '1', 'b.txt': 'never changed' })
  const second = await nextRun(first.session_id)
  await end(second, { 'a.txt': '2', 'b.txt': 'never changed' })
  const third = await nextRun(first.session_id)
  await end(third, { 'c.txt': 'after the branch' })
  const branch = async (run: ClaimedRun) => {
    const { user_message_id } = (await backend.get(`/api/v1/runs/${run.run_id}`)).body.data as Record<string, unknown>
    const branched = await backend.post(`/api/v1/sessions/${run.session_id}/branch`, { message_id: user_message_id })
    return `/api/v1/sessions/${(branched.body.data as { session_id: string }).session_id}`
  }
  const copy = await branch(second)
  expect(await pathsOf(`${copy}/workspace/files`)).toEqual(['a.txt', 'b.txt'])
  const [run] = (await backend.get(`/api/v1/runs/session/${copy.split('/').at(-1)}`)).body.data as { run_id: string }[]
  expect(await pathsOf(`/api/v1/runs/${run?.run_id}/workspace/files`)).toEqual(['a.txt', 'b.txt'])
  // Taken again in the branch, the turn may ask a person as it could in the source.
  const { user_message_id } = (await backend.get(`/api/v1/runs/${run?.run_id}`)).body.data as Record<string, unknown>
  await backend.post(`${copy}/edit-message`, { user_message_id, content: 'again' })
  const asked = { worker_id: 'manager-1', boot_id: 'boot-1', lease_seconds: 60, wait_seconds: 20 }
  const again = (await backend.manage('/claim', asked)).body.data as unknown as ClaimedRun
  expect(again).toMatchObject({ prompt: 'again', attended: true })
  await end(again, { 'a.txt': '2', 'b.txt': 'never changed' })
  // What the source does from here on is its own.
  await end(await nextRun(first.session_id), {})
  expect(await pathsOf(`${copy}/workspace/files`)).toEqual(['a.txt', 'b.txt'])
  expect(await pathsOf(`/api/v1/sessions/${first.session_id}/workspace/files`)).toEqual([])
})

test('readers-of-the-stream-are-told-the-files: at connect, at each export, and when they ask', async () => {
  const first = await claimNew(backend)
  await end(first, { 'z.txt': 'z', 'Sub/b.txt': 'b', 'sub2/a.txt': 'a', 'B.txt': 'B', 'a.txt': 'a' })
  const path = `/api/v1/ws/sessions/${first.session_id}`
  const reader = read(backend.address, `${path}?since=0`)
  const lists = () => reader.frames.filter(({ type }) => type === 'workspace.files')
  await reader.until(() => reader.frames.some(({ type }) => type === 'workspace.export') && lists().length === 1)
  // Folders first, then by name without regard to case.
  const { data } = lists()[0] as SessionFrame
  const tree = data.files as unknown as FileNode[]
  expect(tree.map((node) => node.name)).toEqual(['Sub', 'sub2', 'a.txt', 'B.txt', 'z.txt'])
  expect(tree[0]).toMatchObject({
    type: 'folder',
    path: '/Sub',
    children: [{ path: '/Sub/b.txt', mimeType: 'text/plain' }],
  })
  expect(data).toMatchObject({ export_status: 'ready', error: null })
  expect((await fetched(tree[2]?.url ?? '')).toString()).toBe('a')

  const second = await nextRun(first.session_id)
  await end(second, { 'new.txt': 'n' })
  await reader.until(() => lists().length === 2)
  expect(lists()[1]).toMatchObject({ data: { files: [{ path: '/new.txt' }] } })

  // All that is asked in one burst is answered, in its order.
  reader.socket.send(JSON.stringify({ type: 'workspace.files.request' }))
  for (const path of ['/new.txt', 'new.txt', '/a.txt', 7])
    reader.socket.send(JSON.stringify({ type: 'workspace.file.url.request', path }))
  const addresses = () => reader.frames.filter(({ type }) => type === 'workspace.file.url').map((frame) => frame.data)
  await reader.until(() => addresses().length === 4)
  expect(lists()).toHaveLength(3)
  expect(addresses()).toEqual([
    { path: '/new.txt', url: expect.any(String) },
    { path: 'new.txt', url: expect.any(String) },
    { path: '/a.txt', url: null },
    { path: '', url: null },
  ])
  expect((await fetched(String(addresses()[0]?.url))).toString()).toBe('n')
  reader.socket.close()

  const stranger = await stage.backend({ userId: 'stranger' })
  const other = read(stranger.address, path)
  await other.until((frames) => frames.length > 0)
  other.socket.send(JSON.stringify({ type: 'workspace.files.request' }))
  other.socket.send(JSON.stringify({ type: 'workspace.file.url.request', path: '/new.txt' }))
  await other.until((frames) => frames.length === 3)
  expect(other.frames.map(({ data: { files, url } }) => [files ?? [], url ?? null])).toEqual(
    other.frames.map(() => [[], null]),
  )
})

test('one-file-is-found-by-its-path, of a session and of a run', async () => {
  const first = await claimNew(backend)
  await end(first, { 'sub/a.txt': '1' })
  await end(await nextRun(first.session_id), { 'sub/a.txt': '2' })
  for (const [place, content] of [
    [`sessions/${first.session_id}`, '2'],
    [`runs/${first.run_id}`, '1'],
  ]) {
    const { data } = (await backend.get(`/api/v1/${place}/workspace/file?path=/sub/a.txt`)).body
    expect(data).toMatchObject({ path: '/sub/a.txt' })
    expect((await fetched((data as unknown as { url: string }).url)).toString()).toBe(content)
    expect(await backend.get(`/api/v1/${place}/workspace/file?path=/sub`)).toMatchObject({
      status: 404,
      body: { data: { code: 'FILE_NOT_FOUND' } },
    })
  }
})

test('before-the-first-snapshot-there-are-no-files, and nothing to pack', async () => {
  const run = await claimNew(backend)
  for (const place of [`sessions/${run.session_id}`, `runs/${run.run_id}`]) {
    expect((await backend.get(`/api/v1/${place}/workspace/files`)).body.data).toEqual([])
    expect((await backend.get(`/api/v1/${place}/workspace/archive`)).body.data).toEqual({
      ...{ url: null, filename: 'workspace.zip' },
    })
  }
  await end(run, {})
})

test('only-ones-own-runs-with-a-snapshot-can-be-rewound-to', async () => {
  const run = await claimNew(backend)
  await end(run, { 'a.txt': '1' })
  const other = await claimNew(backend)
  await backend.manage(`/${other.run_id}/finish`, { ...holder(other), outcome: 'completed' })
  const rewind = (session: string, run_id: string) => backend.post(`/api/v1/sessions/${session}/rewind`, { run_id })
  const code = async (answer: ReturnType<typeof rewind>) => (await answer).body.data
  expect(await code(rewind(other.session_id, run.run_id))).toMatchObject({ code: 'RUN_NOT_FOUND' })
  expect(await code(rewind(other.session_id, other.run_id))).toMatchObject({ code: 'SNAPSHOT_NOT_FOUND' })
  expect(await code(rewind(run.run_id, run.run_id))).toMatchObject({ code: 'SESSION_NOT_FOUND' })
  const stranger = await stage.backend({ userId: 'stranger' })
  for (const path of [`runs/${run.run_id}/workspace/files`, `runs/${run.run_id}/compare/${run.run_id}`])
    expect(await stranger.get(`/api/v1/${path}`)).toMatchObject({
      status: 404,
      body: { data: { code: 'RUN_NOT_FOUND' } },
    })
  expect((await stranger.get(`/api/v1/sessions/${run.session_id}/workspace/archive`)).status).toBe(404)
})

test('a-manifest-that-leads-to-a-stranger-is-not-read', async () => {
  const run = await claimNew(backend)
  const key = await end(run, { 'a.txt': '1' })
  const text = JSON.stringify(await json(key)).replaceAll('workspaces/default/', 'workspaces/stranger/')
  await stage.objects.put(key, text)
  expect(await backend.get(`/api/v1/runs/${run.run_id}/workspace/files`)).toMatchObject({
    status: 404,
    body: { data: { code: 'SNAPSHOT_NOT_FOUND' } },
  })
})

test('two-runs-are-compared: added, modified, deleted, renamed, binary, too large', async () => {
  const first = await claimNew(backend)
  const large = 'x\n'.repeat(200_000)
  await end(first, {
    'gone.txt': 'bye\n',
    'm.txt': 'a\nb\nc\n',
    'old/name.txt': 'moved\n',
    bin: Buffer.from([0, 1]),
    large,
    same: 's',
  })
  const second = await nextRun(first.session_id)
  await end(second, {
    'm.txt': 'a\nB\nc\nd\n',
    'new.txt': 'hi\n',
    'new/name.txt': 'moved\n',
    bin: Buffer.from([0, 2]),
    large: `${large}y`,
    same: 's',
  })
  const compared = await backend.get(`/api/v1/runs/${first.run_id}/compare/${second.run_id}`)
  expect(compared.body.data).toMatchObject({ total_added_lines: 3, total_deleted_lines: 2 })
  const { files } = compared.body.data as unknown as { files: { path: string; diff: string | null }[] }
  expect(files).toMatchObject([
    { path: 'bin', status: 'modified', diff: null, added_lines: null },
    { path: 'gone.txt', status: 'deleted', added_lines: 0, deleted_lines: 1, new_size: null },
    { path: 'large', status: 'modified', diff: null },
    { path: 'm.txt', status: 'modified', added_lines: 2, deleted_lines: 1, old_size: 6, new_size: 8 },
    { path: 'new.txt', status: 'added', added_lines: 1, old_size: null },
    { path: 'new/name.txt', status: 'renamed', old_path: 'old/name.txt', diff: null },
  ])
  // A diff that the tool of the trade takes.
  const folder = mkdtempSync(join(tmpdir(), 'tutti-diff-'))
  try {
    writeFileSync(join(folder, 'm.txt'), 'a\nb\nc\n')
    writeFileSync(join(folder, 'p'), files.find(({ path }) => path === 'm.txt')?.diff ?? '')
    execFileSync('git', ['apply', 'p'], { cwd: folder })
    expect(execFileSync('cat', ['m.txt'], { cwd: folder, encoding: 'utf8' })).toBe('a\nB\nc\nd\n')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('archives-are-made-on-demand-and-once', async () => {
  const run = await claimNew(backend)
  await end(run, { 'a.txt': 'text', 'sub/tool.sh': '#!/bin/sh\n' })
  const list = async (path: string): Promise<string[]> => {
    const { url, filename } = (await backend.get(path)).body.data as { url: string; filename: string }
    const file = join(tmpdir(), `tutti-${run.run_id}.zip`)
    writeFileSync(file, await fetched(url))
    try {
      return [filename, ...execFileSync('unzip', ['-Z1', file], { encoding: 'utf8' }).trim().split('\n')]
    } finally {
      rmSync(file)
    }
  }
  const runs = `/api/v1/runs/${run.run_id}/workspace`
  expect(await list(`${runs}/archive`)).toEqual(['workspace.zip', 'workspace/a.txt', 'workspace/sub/tool.sh'])
  expect(await list(`${runs}/folder-archive?path=/sub`)).toEqual(['sub.zip', 'workspace/sub/tool.sh'])
  expect(await list(`/api/v1/sessions/${run.session_id}/workspace/archive`)).toHaveLength(3)
  const page = await stage.objects.list(`${sessionPrefix('default', run.session_id)}/folder-archives/`)
  expect(page.objects).toHaveLength(2)
  expect(await backend.get(`${runs}/folder-archive?path=none`)).toMatchObject({
    status: 404,
    body: { data: { code: 'FILE_NOT_FOUND' } },
  })
})

test('a-content-that-breaks-off-while-it-is-packed-fails-the-archive, and nothing else', async () => {
  const run = await claimNew(backend)
  await end(run, { 'a.txt': 'text', 'b.bin': Buffer.alloc(300_000, 7), 'c.txt': 'more' })
  const archive = `/api/v1/runs/${run.run_id}/workspace/archive`
  const [, damaged] = filesIn((await backend.get(`/api/v1/runs/${run.run_id}/workspace/files`)).body.data as FileNode[])
  const name = readdirSync(stage.objectsRoot, { recursive: true, encoding: 'utf8' }).find((path) =>
    path.endsWith(`f${damaged?.oss_meta?.sha256}`),
  )
  const file = join(stage.objectsRoot, name ?? 'none')
  const whole = readFileSync(file)
  // The disk has lost a block of it: that shows when it has been read.
  writeFileSync(file, Buffer.concat([Buffer.alloc(4096), whole.subarray(4096)]))
  expect(await backend.get(archive)).toMatchObject({ status: 404, body: { data: { code: 'SNAPSHOT_NOT_FOUND' } } })
  expect((await backend.get(`/api/v1/runs/${run.run_id}`)).status).toBe(200)
  const { objects } = await stage.objects.list(`${sessionPrefix('default', run.session_id)}/folder-archives/`)
  expect(objects).toEqual([])
  writeFileSync(file, whole)
  expect((await backend.get(archive)).body.data).toMatchObject({ url: expect.any(String) })
})

test('a-task-takes-ones-own-uploads-and-no-others', async () => {
  const file = (source: string) => ({ prompt: 'read', config: { input_files: [{ name: 'a.pdf', source }] } })
  for (const source of ['attachments/stranger/1/a.pdf', 'workspaces/default/x', 'attachments/default', 'payloads/x'])
    expect(await backend.post('/api/v1/tasks', file(source))).toMatchObject({
      status: 400,
      body: { data: { code: 'INVALID_BODY', path: 'body.config.input_files[0].source' } },
    })
  const session = await claimNew(backend)
  await end(session, {})
  const { source } = (await upload(backend, 'a.pdf', 'pdf')).body.data as InputFile
  const run = await nextRun(session.session_id, {
    ...{ input_files: [{ name: 'a.pdf', source }], workspace: { files: [{ path: 'x', content: 'y' }] } },
  })
  expect(run.staging.files.slice(0, 2)).toEqual([
    { path: 'x', content: 'y' },
    { path: 'inputs/a.pdf', key: source, size: null, sha256: null },
  ])
  expect(run.config.workspace).toBeUndefined()
})
