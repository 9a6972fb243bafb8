/** Reading what there is: in pages, as changes, by words, counted. */
import type { InputFile, MessageView, ToolExecutionView } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { conversations, unknown } from './support/conversations.ts'
import { createStage, type Running, type Stage, upload } from './support/stage.ts'

let stage: Stage
let backend: Running

beforeAll(async () => {
  stage = await createStage()
  backend = await stage.backend()
})
afterAll(() => stage.close())

const { send, get, turn, ask, conversation } = conversations(() => backend)

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
