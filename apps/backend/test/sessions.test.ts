import type { InputFile, MessageView, RunView, SessionView, ToolExecutionView } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { claimNew, createStage, holder, type Running, type Stage, upload } from './support/stage.ts'

let stage: Stage
let backend: Running

beforeAll(async () => {
  stage = await createStage()
  backend = await stage.backend()
})
afterAll(() => stage.close())

const unknown = '00000000-0000-4000-8000-000000000000'

const send = async <T = Record<string, unknown>>(method: string, path: string, body?: unknown) => {
  const response = await fetch(`${backend.address}/api/v1${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const answer = (await response.json()) as { code: number; message: string; data: T }
  return { status: response.status, headers: response.headers, data: answer.data }
}
const get = <T>(path: string) => send<T>('GET', path)

const usage = {
  input_tokens: 10,
  output_tokens: 5,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
}

/** A turn with a tool in it, from the claim to its end. */
const turn = async (
  text: string,
  { snapshot = true, sdk = 'sdk-1' } = {},
): Promise<{ sessionId: string; runId: string }> => {
  const claimed = await backend.manage('/claim', {
    worker_id: 'manager-1',
    boot_id: 'boot-1',
    lease_seconds: 60,
    wait_seconds: 20,
  })
  const run = claimed.body.data as { run_id: string; session_id: string; lease_token: string; attempt: number }
  const by = { worker_id: 'manager-1', lease_token: run.lease_token, attempt: run.attempt }
  await backend.manage(`/${run.run_id}/start`, { ...by, model: 'm', sandbox: 's' })
  const message = (role: string, block: object) => ({
    type: 'message',
    role,
    blocks: [block],
    parent_tool_use_id: null,
  })
  const events = [
    { type: 'started', agent_session_id: sdk, model: 'm', tools: [] },
    message('assistant', { type: 'tool_use', id: 't1', name: 'Bash', input: {} }),
    { type: 'tool_call', tool_use_id: 't1', name: 'Bash', input: {}, parent_tool_use_id: null },
    { type: 'tool_result', tool_use_id: 't1', output: 'x', is_error: false, duration_ms: 1 },
    message('user', { type: 'tool_result', tool_use_id: 't1', content: 'x', is_error: false }),
    message('assistant', { type: 'text', text }),
    { type: 'done', agent_session_id: sdk, result: text, turns: 1, duration_ms: 7, usage, cost_usd: 0.5 },
  ]
  const stored = await backend.manage(`/${run.run_id}/events`, {
    ...by,
    events: events.map((event, at) => ({ n: at + 1, at: 0, event })),
  })
  expect(stored.status).toBe(200)
  const account = (told: object) => backend.manage(`/${run.run_id}/account`, { ...by, ...told })
  const most = { input_tokens: 10, output_tokens: 5, cost_usd: 0.5 }
  await account({ wall_ms: 0, begin: { n: 1, model: 'm', provider: 'p', most } })
  await account({ wall_ms: 7, ended: [{ ...usage, n: 1, cost_usd: 0.5, status: 200, complete: true }] })
  const manifest_key = `workspaces/${run.session_id}/runs/${run.run_id}/manifest.json`
  const ended = await backend.manage(`/${run.run_id}/finish`, {
    ...by,
    outcome: 'completed',
    ...(snapshot ? { export: { status: 'ready', prefix: 'w', manifest_key, files: [] } } : {}),
  })
  expect(ended.status).toBe(200)
  return { sessionId: run.session_id, runId: run.run_id }
}

const ask = async (prompt: string, fields: object = {}) => {
  const { data } = await send('POST', '/tasks', { prompt, ...fields })
  return data as { session_id: string; run_id: string }
}

const conversation = async (...prompts: string[]) => {
  const { session_id } = await ask(prompts[0] ?? 'x')
  const first = await turn(`answer to ${prompts[0]}`)
  const runIds = [first.runId]
  for (const prompt of prompts.slice(1)) {
    await ask(prompt, { session_id })
    runIds.push((await turn(`answer to ${prompt}`)).runId)
  }
  const { data: messages } = await get<MessageView[]>(`/sessions/${session_id}/messages`)
  return { session_id, runIds, messages }
}

const texts = (messages: MessageView[]) =>
  messages.map(({ text_preview }) => text_preview).filter((text) => text !== null)

test('branch-at-a-tool-result-copies-whole-turns-and-shares-nothing-that-changes', async () => {
  const { session_id, runIds, messages } = await conversation('one', 'two')
  const toolResult = messages.find(
    ({ role, content }) => role === 'user' && JSON.stringify(content).includes('ToolResultBlock'),
  )
  const { status, data: branched } = await send(`POST`, `/sessions/${session_id}/branch`, {
    message_id: toolResult?.id,
  })
  expect([status, branched]).toMatchObject([
    200,
    { source_session_id: session_id, agent_memory: true, workspace: true },
  ])
  const copy = `/sessions/${branched.session_id}`
  const { data: copied } = await get<MessageView[]>(`${copy}/messages`)
  const firstTurn = messages.filter(({ id }) => id <= Number(branched.cutoff_message_id))
  expect(copied.map(({ content }) => content)).toEqual(firstTurn.map(({ content }) => content))
  expect(texts(copied)).not.toContain('two')
  const { data: runs } = await get<RunView[]>(`/runs/session/${branched.session_id}`)
  expect(runs).toMatchObject([
    {
      status: 'completed',
      user_message_id: copied[0]?.id,
      workspace_manifest_key: expect.stringContaining(runIds[0] ?? '?'),
    },
  ])
  expect((await get<SessionView>(copy)).data).toMatchObject({
    status: 'completed',
    sdk_session_id: 'sdk-1',
    title: 'one',
  })
  const { data: tools } = await get<ToolExecutionView[]>(`${copy}/tool-executions`)
  expect(tools).toMatchObject([{ run_id: runs[0]?.run_id, tool_use_id: 't1', tool_output: 'x' }])
  expect((await get(`${copy}/usage`)).data).toMatchObject({ usage_json: { input_tokens: 10 } })
  expect(runs[0]?.usage).toMatchObject({ input_tokens: 10, cost_usd: 0.5 })
  // Shown, and spent elsewhere.
  expect((await get(`${copy}/spending`)).data).toBeNull()
  expect((await get(`${copy}/model-calls`)).data).toEqual([])
  // What goes on in either is not seen in the other.
  await ask('three', { session_id: branched.session_id })
  const next = await turn('answer to three')
  expect(next.sessionId).toBe(branched.session_id)
  expect((await get<MessageView[]>(`/sessions/${session_id}/messages`)).data).toEqual(messages)
})

test('branch-of-a-turn-without-a-snapshot-says-that-the-agent-forgets', async () => {
  const { session_id } = await ask('no files')
  await turn('done', { snapshot: false })
  const { data: messages } = await get<MessageView[]>(`/sessions/${session_id}/messages`)
  const { data } = await send('POST', `/sessions/${session_id}/branch`, { message_id: messages.at(-1)?.id })
  expect(data).toMatchObject({ agent_memory: false, workspace: false })
  expect((await get(`/sessions/${data.session_id}`)).data).toMatchObject({ sdk_session_id: null })
})

test('regenerate-takes-back-all-that-came-after-and-keeps-what-it-cost', async () => {
  const { session_id, runIds, messages } = await conversation('one', 'two', 'three')
  const asked = messages.find(({ text_preview }) => text_preview === 'two')
  const answered = messages.find(({ text_preview }) => text_preview === 'answer to two')
  const wrong = await send('POST', `/sessions/${session_id}/regenerate`, {
    user_message_id: asked?.id,
    assistant_message_id: messages.at(-1)?.id,
  })
  expect(wrong).toMatchObject({ status: 400, data: { code: 'INVALID_BODY', path: 'body.assistant_message_id' } })
  const { status, data } = await send('POST', `/sessions/${session_id}/regenerate`, {
    user_message_id: asked?.id,
    assistant_message_id: answered?.id,
    model: 'other',
  })
  expect([status, data]).toMatchObject([200, { accepted_type: 'run', session_id }])
  expect(texts((await get<MessageView[]>(`/sessions/${session_id}/messages`)).data).at(-1)).toBe('two')
  expect((await get(`/runs/${runIds[2]}`)).status).toBe(404)
  // Once more while it is under way: refused, nothing is lost.
  expect(
    await send('POST', `/sessions/${session_id}/regenerate`, { user_message_id: asked?.id, assistant_message_id: 1 }),
  ).toMatchObject({
    status: 409,
    data: { code: 'SESSION_BUSY' },
  })
  const [{ workspace_manifest_key: begins } = {}] = await stage.database.query<{ workspace_manifest_key: string }>(
    'select workspace_manifest_key from workbench.sessions where id = $1',
    [session_id],
  )
  expect(begins).toContain(runIds[0])
  const again = await turn('another answer')
  expect(again.runId).toBe(data.run_id)
  const { data: now } = await get<MessageView[]>(`/sessions/${session_id}/messages`)
  expect(texts(now).slice(-2)).toEqual(['another answer', 'another answer'])
  const { data: runs } = await get<RunView[]>(`/runs/session/${session_id}`)
  expect(runs.map((run) => run.user_message_id)).toEqual([messages[0]?.id, asked?.id])
  expect(runs[1]?.config_snapshot).toMatchObject({ model: 'other' })
  expect((await get(`/sessions/${session_id}/usage`)).data).toMatchObject({
    total_duration_ms: 28,
    usage_json: { input_tokens: 40, cost_usd: 2 },
  })
})

test('late-executor-of-a-turn-that-was-taken-back-writes-nothing', async () => {
  const run = await claimNew(backend, 'first words')
  await backend.post(`/api/v1/sessions/${run.session_id}/cancel`, {})
  await backend.manage(`/${run.run_id}/finish`, { ...holder(run), outcome: 'canceled' })
  const { data: messages } = await get<MessageView[]>(`/sessions/${run.session_id}/messages`)
  const { status, data } = await send('POST', `/sessions/${run.session_id}/edit-message`, {
    user_message_id: messages[0]?.id,
    content: 'better words',
  })
  expect(status).toBe(200)
  const event = {
    type: 'message',
    role: 'assistant',
    blocks: [{ type: 'text', text: 'late' }],
    parent_tool_use_id: null,
  }
  const late = await backend.manage(`/${run.run_id}/events`, { ...holder(run), events: [{ n: 1, at: 0, event }] })
  expect(late.status).toBe(404)
  expect((await backend.manage(`/${run.run_id}/finish`, { ...holder(run), outcome: 'completed' })).status).toBe(404)
  expect((await get(`/runs/${data.run_id}`)).data).toMatchObject({ status: 'queued' })
  const { data: now } = await get<MessageView[]>(`/sessions/${run.session_id}/messages`)
  expect(now).toMatchObject([{ id: messages[0]?.id, text_preview: 'better words' }])
  expect((await turn('ok')).runId).toBe(data.run_id)
})

test('five-thousand-messages-are-paged-without-loss', async () => {
  const { session_id } = await ask('many')
  const { runId } = await turn('x')
  await stage.database.query(
    `insert into workbench.messages (session_id, run_id, role, content, text_preview)
     select $1, $2, 'assistant', '{}', n::text from generate_series(1, 5000) n`,
    [session_id, runId],
  )
  const seen: number[] = []
  for (let path: string | undefined = `/sessions/${session_id}/messages`; path !== undefined; ) {
    const { headers, data }: { headers: Headers; data: MessageView[] } = await get<MessageView[]>(path)
    seen.push(...data.map(({ id }) => id))
    const link: string | undefined = headers.get('link')?.match(/<\/api\/v1(.*)>; rel="next"/)?.[1]
    expect(headers.get('x-has-more')).toBe(String(link !== undefined))
    path = link
  }
  const rows = await stage.database.query<{ id: number }>(
    'select id from workbench.messages where session_id = $1 order by id',
    [session_id],
  )
  expect(seen).toEqual(rows.map(({ id }) => id))
  const since = await get<MessageView[]>(`/messages/sessions/${session_id}/since/${seen.at(-3)}`)
  expect(since.data.map(({ id }) => id)).toEqual(seen.slice(-2))
})

test('tool-changes-of-one-instant-are-all-told-and-each-once', async () => {
  const { session_id } = await ask('tools')
  const { runId } = await turn('x')
  await stage.database.query(
    `insert into workbench.tool_executions (session_id, run_id, attempt, tool_use_id, tool_name, tool_input, updated_at)
     select $1, $2, 1, 'u' || n, 'Bash', '{}', '2030-01-01T00:00:00.123456Z' from generate_series(1, 7) n`,
    [session_id, runId],
  )
  for (const base of [`/sessions/${session_id}`, `/runs/${runId}`]) {
    const seen: string[] = []
    let cursor = ''
    for (let more = true; more; ) {
      const { data } = await get<Record<string, never> & { items: ToolExecutionView[] }>(
        `${base}/tool-executions/delta?limit=3${cursor}`,
      )
      seen.push(...data.items.map(({ tool_use_id }) => tool_use_id))
      cursor = `&after_created_at=${encodeURIComponent(data.next_after_created_at ?? '')}&after_id=${data.next_after_id}`
      more = data.has_more ?? false
    }
    expect(seen.toSorted()).toEqual(['t1', 'u1', 'u2', 'u3', 'u4', 'u5', 'u6', 'u7'])
    expect((await get<{ items: unknown[] }>(`${base}/tool-executions/delta?limit=3${cursor}`)).data.items).toEqual([])
  }
  const lonely = await get(`/sessions/${session_id}/tool-executions/delta?after_id=${unknown}`)
  expect(lonely).toMatchObject({ status: 400, data: { code: 'INVALID_QUERY', path: 'query.after_id' } })
})

test('words-are-found-by-their-beginning-in-any-script-and-only-ones-own', async () => {
  const { session_id } = await ask('Überprüfe src/main.config.ts auf v1.2.3')
  await turn('日本語のテキスト and naïve summaries')
  const { data } = await send('PATCH', `/sessions/${session_id}`, { title: 'Quarterly figures' })
  expect(data).toMatchObject({ title: 'Quarterly figures' })
  const found = async (q: string) => {
    const { data } = await get<{ tasks: object[]; messages: { session_id: string }[] }>(
      `/search?q=${encodeURIComponent(q)}`,
    )
    return [data.tasks.length, data.messages.filter((message) => message.session_id === session_id).length]
  }
  expect(await found('quart')).toEqual([1, 0])
  expect(await found('überp')).toEqual([0, 1])
  expect(await found('config ts')).toEqual([0, 1])
  expect(await found('本語')).toEqual([0, 1])
  expect(await found('語本')).toEqual([0, 0])
  expect(await found('summ naïve')).toEqual([0, 1])
  expect(await found("' | !!:* <->")).toEqual([0, 0])
  await stage.database.query(`update workbench.sessions set user_id = 'stranger' where id = $1`, [session_id])
  expect(await found('quart')).toEqual([0, 0])
  expect(await found('überp')).toEqual([0, 0])
})

test('strangers-and-unknown-ids-answer-404', async () => {
  const { session_id, runIds, messages } = await conversation('secret')
  const { data: tools } = await get<ToolExecutionView[]>(`/sessions/${session_id}/tool-executions`)
  const { data: project } = await send('POST', '/projects', { name: 'p' })
  const body = { message_id: messages[0]?.id }
  const calls: [string, string, unknown?][] = [
    ['GET', `/sessions/${session_id}`],
    ['GET', `/sessions/${session_id}/state`],
    ['PATCH', `/sessions/${session_id}`, { title: 'x' }],
    ['DELETE', `/sessions/${session_id}`],
    ['POST', `/sessions/${session_id}/cancel`, {}],
    ['POST', `/sessions/${session_id}/branch`, body],
    ['POST', `/sessions/${session_id}/regenerate`, { user_message_id: 1, assistant_message_id: 2 }],
    ['POST', `/sessions/${session_id}/edit-message`, { user_message_id: messages[0]?.id, content: 'x' }],
    ['GET', `/sessions/${session_id}/messages`],
    ['GET', `/sessions/${session_id}/messages-with-files`],
    ['GET', `/sessions/${session_id}/message-attachments/delta`],
    ['GET', `/sessions/${session_id}/tool-executions`],
    ['GET', `/sessions/${session_id}/tool-executions/delta`],
    ['GET', `/sessions/${session_id}/usage`],
    ['GET', `/sessions/${session_id}/spending`],
    ['GET', `/sessions/${session_id}/queued-queries`],
    ['DELETE', `/sessions/${session_id}/queued-queries/${unknown}`],
    ['GET', `/runs/session/${session_id}`],
    ['GET', `/runs/${runIds[0]}`],
    ['GET', `/runs/${runIds[0]}/tool-executions`],
    ['GET', `/runs/${runIds[0]}/tool-executions/delta`],
    ['GET', `/messages/${messages[0]?.id}`],
    ['GET', `/messages/sessions/${session_id}/since/0`],
    ['GET', `/tool-executions/${tools[0]?.id}`],
    ['GET', `/projects/${project.project_id}`],
    ['PATCH', `/projects/${project.project_id}`, { name: 'y' }],
    ['DELETE', `/projects/${project.project_id}`],
    ['POST', '/tasks', { prompt: 'x', session_id }],
    ['POST', '/tasks', { prompt: 'x', project_id: project.project_id }],
  ]
  // What is called empty of a queue that has no such item is answered before the owner changes.
  for (const [method, path] of calls.filter(([method]) => method === 'GET'))
    expect((await send(method, path)).status, path).toBe(200)
  await stage.database.query(`update workbench.sessions set user_id = 'stranger' where id = $1`, [session_id])
  await stage.database.query(`update workbench.runs set user_id = 'stranger' where session_id = $1`, [session_id])
  await stage.database.query(`update workbench.projects set user_id = 'stranger' where id = $1`, [project.project_id])
  for (const [method, path, body] of calls)
    expect((await send(method, path, body)).status, `${method} ${path}`).toBe(404)
})

test('deleted-session-is-gone-and-its-turn-is-stopped', async () => {
  const run = await claimNew(backend, 'delete me')
  expect(await send('DELETE', `/sessions/${run.session_id}`)).toMatchObject({
    status: 200,
    data: { id: run.session_id },
  })
  expect((await get(`/sessions/${run.session_id}`)).status).toBe(404)
  const { data: list } = await get<SessionView[]>('/sessions?limit=1000')
  expect(list.map(({ session_id }) => session_id)).not.toContain(run.session_id)
  const renewed = await backend.manage(`/${run.run_id}/renew`, { ...holder(run), lease_seconds: 60 })
  expect(renewed.body.data).toMatchObject({ cancel: true })
  expect((await backend.manage(`/${run.run_id}/finish`, { ...holder(run), outcome: 'canceled' })).status).toBe(200)
})

test('project-gives-its-sessions-their-defaults-and-lists-them', async () => {
  const { data: project } = await send('POST', '/projects', {
    name: 'site',
    default_model: 'm-project',
    repo_url: 'https://git.example.org/a/site.git',
    git_branch: 'dev',
  })
  const { project_id } = project
  const { session_id, run_id } = await ask('with defaults', { project_id })
  const repository = { repo_url: 'https://git.example.org/a/site', git_branch: 'dev' }
  expect((await get(`/runs/${run_id}`)).data).toMatchObject({ config_snapshot: { model: 'm-project', ...repository } })
  await turn('x')
  const other = await ask('with its own', {
    project_id,
    config: { repo_url: 'https://git.example.org/b', model: null },
  })
  expect((await get<RunView>(`/runs/${other.run_id}`)).data.config_snapshot).toEqual({
    repo_url: 'https://git.example.org/b',
  })
  await turn('x')
  const { data: listed } = await get<SessionView[]>(`/sessions?project_id=${project_id}`)
  expect(listed.map((session) => session.session_id)).toEqual([other.session_id, session_id])
  const page = await get<SessionView[]>(`/sessions?project_id=${project_id}&limit=1`)
  expect([page.data.length, page.headers.get('x-has-more')]).toEqual([1, 'true'])
  expect((await send('POST', '/tasks', { prompt: 'x', session_id, project_id: unknown })).status).toBe(400)
  expect((await send('DELETE', `/projects/${project_id}`)).status).toBe(200)
  expect((await get<SessionView>(`/sessions/${session_id}`)).data.project_id).toBeNull()
})

test('session-patch-changes-only-what-is-the-users', async () => {
  const { session_id } = await ask('patch me', { config: { model: 'a', budget: { tokens: 900 } } })
  await turn('x')
  const patched = await send('PATCH', `/sessions/${session_id}`, {
    title: ' New ',
    is_pinned: true,
    config: { model: null, budget: { cost_usd: 2 } },
  })
  expect(patched.data).toMatchObject({
    title: 'New',
    is_pinned: true,
    pinned_at: expect.any(String),
    config_snapshot: { budget: { tokens: 900, cost_usd: 2 } },
  })
  expect(patched.data.config_snapshot).not.toHaveProperty('model')
  expect(await send('PATCH', `/sessions/${session_id}`, { status: 'failed' })).toMatchObject({
    status: 400,
    data: { code: 'INVALID_BODY' },
  })
  expect((await get(`/sessions/${session_id}/state`)).data).toMatchObject({ session_id, status: 'completed' })
})

test('usage-is-counted-in-the-askers-time-zone-and-branches-count-once', async () => {
  const { session_id, messages } = await conversation('costly')
  await send('POST', `/sessions/${session_id}/branch`, { message_id: messages[0]?.id })
  type Answer = {
    day: string
    summary: Record<string, { runs: number; cost_usd: number }>
    month_view: { buckets: object[] }
    day_view: { buckets: { bucket: string; runs: number }[] }
  }
  // On that day the clocks of Vienna go back: 25 hours, of which one comes twice.
  await stage.database.query(
    `insert into workbench.spent (scope, scope_id, period, calls, runs, input_tokens, output_tokens, cost_usd, wall_ms)
     select 'user', 'default', '2031-10-26T01:30', calls, runs, input_tokens, output_tokens, cost_usd, wall_ms
     from workbench.spent where scope = 'session' and scope_id = $1`,
    [session_id],
  )
  const { data } = await get<Answer>('/usage/analytics?month=2031-10&timezone=Europe/Vienna')
  expect(data.day).toBe('2031-10-26')
  expect([data.month_view.buckets.length, data.day_view.buckets.length]).toEqual([31, 25])
  expect(data.day_view.buckets.filter(({ runs }) => runs > 0)).toMatchObject([
    { bucket: '2031-10-26T02:00:00+01:00', runs: 1, cost_usd: 0.5 },
  ])
  expect([data.summary.month, data.summary.day]).toMatchObject([
    { runs: 1, input_tokens: 10 },
    { runs: 1, cost_usd: 0.5 },
  ])
  const [counted] = await stage.database.query<{ runs: number }>(
    'select count(distinct run_id) as runs from workbench.model_calls',
  )
  expect(data.summary.all_time?.runs).toBe(counted?.runs)
  for (const [query, path] of [
    ['month=2031-13', 'query.month'],
    ['month=2031-10&day=2031-11-01', 'query.day'],
    ['timezone=Mars/Base', 'query.timezone'],
  ])
    expect(await get(`/usage/analytics?${query}`)).toMatchObject({ status: 400, data: { code: 'INVALID_QUERY', path } })
})

test('files-of-a-message-are-linked-and-what-is-not-ones-own-is-refused', async () => {
  const own = (await upload(backend, 'a.txt', 'a')).body.data as InputFile
  const foreign = { name: 'b.txt', source: 'attachments/stranger/1/b.txt' }
  expect(await send('POST', '/tasks', { prompt: 'files', config: { input_files: [own, foreign] } })).toMatchObject({
    status: 400,
    data: { code: 'INVALID_BODY', path: 'body.config.input_files[1].source' },
  })
  const { session_id } = await ask('files', { config: { input_files: [own] } })
  await turn('x')
  const { data } = await get<(MessageView & { attachments: { url: string | null }[] })[]>(
    `/sessions/${session_id}/messages-with-files`,
  )
  expect(data[0]?.attachments).toMatchObject([{ ...own, url: expect.stringContaining('attachments') }])
  expect(data[1]?.attachments).toEqual([])
  expect((await get(`/sessions/${session_id}/message-attachments`)).data).toMatchObject([{ message_id: data[0]?.id }])
})
