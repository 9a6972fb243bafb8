import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { clientOf, testServer, workbenchOf } from './support/setup.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tutti-client-'))
})
afterEach(() => rm(folder, { recursive: true }))

const sessionId = randomUUID()
const runId = randomUUID()
const instant = '2030-01-01T00:00:00.000Z'
const ok = (data: unknown) => ({ code: 0, message: 'ok', data })

test('every call has its address and reads the envelope', async () => {
  const run = {
    run_id: runId,
    session_id: sessionId,
    user_message_id: 1,
    status: 'completed',
    permission_mode: 'default',
    attempts: 1,
    claimed_by: null,
    last_error: null,
    progress: 100,
    schedule_mode: 'immediate',
    scheduled_at: instant,
    scheduled_task_id: null,
    config_snapshot: {},
    state_patch: {},
    workspace_files_prefix: 'w',
    workspace_manifest_key: 'w/manifest.json',
    workspace_export_status: 'ready',
    usage: null,
    created_at: instant,
    started_at: null,
    finished_at: null,
  }
  const session = {
    session_id: sessionId,
    user_id: 'default',
    project_id: null,
    title: null,
    kind: 'chat',
    origin: 'desk:/home/me/calc',
    is_pinned: false,
    pinned_at: null,
    queued_query_count: 0,
    next_queued_query_preview: null,
    status: 'completed',
    sdk_session_id: null,
    config_snapshot: null,
    state_patch: {},
    workspace_export_status: null,
    seq: 4,
    created_at: instant,
    updated_at: instant,
  }
  const message = { id: 1, role: 'user', content: {}, text_preview: null, created_at: instant, updated_at: instant }
  const tool = {
    id: randomUUID(),
    session_id: sessionId,
    run_id: runId,
    tool_use_id: 't',
    tool_name: 'Bash',
    tool_input: {},
    tool_output: null,
    is_error: false,
    duration_ms: null,
    created_at: instant,
    updated_at: instant,
  }
  const file = { path: 'src/a.txt', size: 1, sha256: 'x', executable: true, key: 'k', url: '/o/k' }
  const { path: _, url, ...meta } = file
  const source = 'workspace'
  const node = { id: '/src/a.txt', name: 'a.txt', type: 'file', path: '/src/a.txt', source, url }
  const tree = {
    ...{ id: '/src', name: 'src', type: 'folder', path: '/src', source },
    children: [{ ...node, oss_meta: { ...meta, etag: 'x', last_modified: instant } }],
  }
  const answers: Record<string, unknown> = {
    'POST /api/v1/tasks': {
      session_id: sessionId,
      accepted_type: 'run',
      run_id: runId,
      queue_item_id: null,
      status: 'queued',
      queued_query_count: 0,
    },
    [`GET /api/v1/sessions/${sessionId}`]: session,
    [`GET /api/v1/sessions/${sessionId}/messages`]: [message],
    [`GET /api/v1/sessions/${sessionId}/tool-executions`]: [tool],
    [`GET /api/v1/sessions/${sessionId}/workspace/files`]: [tree],
    [`GET /api/v1/runs/${runId}`]: run,
    [`GET /api/v1/runs/session/${sessionId}`]: [run],
  }
  const server = await testServer(({ method, path, json }) => json(200, ok(answers[`${method} ${path}`])))
  const workbench = workbenchOf(server)
  expect(await workbench.tasks.create({ prompt: 'hello' })).toMatchObject({ run_id: runId })
  expect(await workbench.sessions.get(sessionId)).toEqual(session)
  expect(await workbench.sessions.messages(sessionId)).toEqual([message])
  expect(await workbench.sessions.toolExecutions(sessionId)).toEqual([tool])
  expect(await workbench.sessions.files(sessionId)).toEqual([file])
  expect(await workbench.runs.get(runId)).toEqual(run)
  expect(await workbench.runs.list(sessionId)).toEqual([run])
})

test('task-whose-answer-was-lost-starts-no-second-run', async () => {
  let tries = 0
  const server = await testServer(({ json, drop }) => {
    tries += 1
    if (tries === 1) drop()
    else
      json(
        200,
        ok({
          session_id: sessionId,
          accepted_type: 'run',
          run_id: runId,
          queue_item_id: null,
          status: 'queued',
          queued_query_count: 0,
        }),
      )
  })
  await workbenchOf(server).tasks.create({ prompt: 'hello' })
  const ids = server.requests.map(({ body }) => (body as { client_request_id?: string }).client_request_id)
  expect(ids[0]).toBeTruthy()
  expect(ids[1]).toBe(ids[0])
})

test('an error in the envelope keeps its code, its status and its hint', async () => {
  const inner = { error: 'Session not found', code: 'SESSION_NOT_FOUND', retryable: false, hint: 'Check the id.' }
  const server = await testServer(({ path, json }) =>
    path.includes('/runs/')
      ? json(409, { code: 40901, message: 'wrong state', data: null })
      : json(404, { code: 40400, message: 'Session not found', data: inner }),
  )
  const { sessions, runs } = workbenchOf(server)
  await expect(sessions.get(sessionId)).rejects.toMatchObject({
    code: 'SESSION_NOT_FOUND',
    status: 404,
    hint: 'Check the id.',
  })
  await expect(runs.get(runId)).rejects.toMatchObject({ code: '40901', status: 409, message: 'wrong state' })
})

const content = Buffer.from('x'.repeat(300_000))
const sha256 = createHash('sha256').update(content).digest('hex')

test('download writes the file under a new folder and shows nobody the token', async () => {
  const server = await testServer(({ response }) => response.end(content))
  const target = join(folder, 'deep/down/file.bin')
  await workbenchOf(server).download({ url: '/objects/key?signature=secret', sha256 }, target)
  expect(await readFile(target)).toEqual(content)
  expect(server.requests[0]?.headers.authorization).toBeUndefined()
  expect(await readdir(join(folder, 'deep/down'))).toEqual(['file.bin'])
})

test('what can be executed can be on this machine', async () => {
  const server = await testServer(({ response }) => response.end(content))
  const mode = async (name: string, executable: boolean) => {
    await workbenchOf(server).download({ url: '/o', sha256, executable }, join(folder, name))
    return (await stat(join(folder, name))).mode & 0o111
  }
  expect([(await mode('tool', true)) & 0o100, await mode('text', false)]).toEqual([0o100, 0])
})

test('download-cut-off-in-the-middle-is-tried-again', async () => {
  let tries = 0
  const server = await testServer(({ response, drop }) => {
    tries += 1
    response.writeHead(200, { 'content-length': content.length })
    if (tries < 3) response.write(content.subarray(0, 100_000), () => drop())
    else response.end(content)
  })
  await workbenchOf(server).download({ url: `${server.url}/o`, sha256 }, join(folder, 'file'))
  expect(await readFile(join(folder, 'file'))).toEqual(content)
  expect(await readdir(folder)).toEqual(['file'])
})

test('download-with-a-wrong-hash-leaves-what-was-there', async () => {
  const server = await testServer(({ response }) => response.end('something else'))
  await writeFile(join(folder, 'file'), 'older')
  const failing = workbenchOf(server).download(
    { url: `${server.url}/o?signature=secret`, sha256 },
    join(folder, 'file'),
  )
  const error = await failing.catch((caught: unknown) => caught)
  expect(error).toMatchObject({ code: 'CHECKSUM_MISMATCH', status: 200 })
  expect(JSON.stringify(error) + String(error)).not.toContain('secret')
  expect(await readFile(join(folder, 'file'), 'utf8')).toBe('older')
  expect(await readdir(folder)).toEqual(['file'])
})

test('download-of-an-expired-address-is-told-at-once', async () => {
  const server = await testServer(({ response }) => response.writeHead(403).end('Request has expired'))
  const failing = workbenchOf(server).download({ url: '/o', sha256 }, join(folder, 'file'))
  await expect(failing).rejects.toMatchObject({ status: 403, message: expect.stringContaining('expired') })
  expect(server.requests).toHaveLength(1)
  expect(await readdir(folder)).toEqual([])
})

test('download-onto-a-folder-is-the-callers-fault-not-the-networks', async () => {
  const server = await testServer(({ response }) => response.end(content))
  await expect(workbenchOf(server).download({ url: '/o', sha256 }, folder)).rejects.toMatchObject({
    code: expect.stringMatching(/^E(ISDIR|EXIST|NOTEMPTY|PERM|BUSY)/),
  })
  expect(server.requests).toHaveLength(1)
})

test('an address that is none is told at once', () => {
  expect(() => clientOf({ url: 'not an address' })).toThrow('Invalid URL')
})

test('the catalogue’s code, hint and path are read from the envelope as the workbench writes it', async () => {
  const data = { code: 'INVALID_BODY', hint: 'Correct the field.', retryable: false, path: 'body.prompt' }
  const server = await testServer(({ json }) => json(400, { code: 40000, message: 'Too short', data }))
  await expect(workbenchOf(server).sessions.get(sessionId)).rejects.toMatchObject({
    ...data,
    status: 400,
    message: 'Too short',
  })
})

test('a conversation of more than a page is read to its end', async () => {
  const message = (id: number) => ({
    ...{ id, role: 'user', content: {}, text_preview: null },
    ...{ created_at: '2030-01-01T00:00:00.000Z', updated_at: '2030-01-01T00:00:00.000Z' },
  })
  const all = Array.from({ length: 2500 }, (_, at) => message(at + 1))
  const server = await testServer(({ query, json }) => {
    const after = Number(query.get('after_message_id'))
    json(200, ok(all.filter(({ id }) => id > after).slice(0, Number(query.get('limit')))))
  })
  const read = await workbenchOf(server).sessions.messages(sessionId)
  expect(read.map(({ id }) => id)).toEqual(all.map(({ id }) => id))
  expect(server.requests).toHaveLength(3)
  expect(await workbenchOf(server).sessions.messages(sessionId, { after: 2499 })).toHaveLength(1)
})
