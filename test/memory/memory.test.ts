/** The memory through the whole stack: real processes, the real agent SDK with the scripted model, in a real sandbox. */
import { createDatabase } from '@tutti/workbench'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { script, startWorkbench, type Workbench } from '../kill/workbench.ts'

let workbench: Workbench
beforeAll(async () => {
  workbench = await startWorkbench()
  await workbench.manager('manager-1')
})
afterAll(() => workbench.close())

const tool = (name: string, input: object) => ({ tool: `mcp__memory__memory_${name}`, input })

interface ToolExecution {
  tool_name: string
  is_error: boolean
  tool_output: unknown
}

/** The run's tool calls, once it has completed. */
const play = async (steps: object[], more: object = {}): Promise<{ session: string; tools: ToolExecution[] }> => {
  const { session_id, run_id } = await workbench.send(script(steps), more)
  await workbench.until(async () => {
    const run = await workbench.get<{ status: string; last_error: string | null }>(`/runs/${run_id}`)
    if (run.status === 'failed') expect.fail(String(run.last_error))
    return run.status === 'completed'
  })
  return { session: session_id, tools: await workbench.get(`/sessions/${session_id}/tool-executions`) }
}
const remembering = { config: { memory_enabled: true } }

test('an-agent-finds-in-one-session-what-it-wrote-in-another-and-never-what-is-a-strangers', async () => {
  const database = createDatabase({ connectionString: workbench.database })
  await database.query(
    `insert into workbench.memories (id, user_id, text, search)
     values (gen_random_uuid(), 'stranger', 'the secret colour is red', to_tsvector('simple', 'the secret colour is red'))`,
  )
  await database.close()

  // Also under a mode that asks for consent: whoever switched the memory on has given it.
  const first = await play([tool('add', { text: 'The favourite colour of the user is green' }), { say: 'kept' }], {
    ...remembering,
    permission_mode: 'default',
  })
  expect(first.tools).toMatchObject([{ tool_name: 'mcp__memory__memory_add', is_error: false }])

  const second = await play([tool('search', { query: 'Which colour?' }), { say_last_result: true }], remembering)
  expect(second.session).not.toBe(first.session)
  const found = JSON.stringify(second.tools[0]?.tool_output)
  expect(found).toContain('The favourite colour of the user is green')
  expect(found).not.toContain('red')

  const { items } = await workbench.get<{ items: { type: string; data: object }[] }>(
    `/sessions/${first.session}/events`,
  )
  expect(items.filter(({ type }) => type === 'memory.update').map(({ data }) => data)).toMatchObject([
    { op: 'add', memory: 'The favourite colour of the user is green' },
  ])
})

test('what-is-no-memory-is-told-to-the-agent-and-the-turn-goes-on', async () => {
  const unknown = '00000000-0000-4000-8000-000000000000'
  const { tools } = await play([tool('get', { id: unknown }), tool('add', { text: ' ' }), { say: 'done' }], remembering)
  expect(tools.map(({ is_error }) => is_error)).toEqual([true, true])
  expect(JSON.stringify(tools[0]?.tool_output)).toContain('Memory not found')
})

test('without-memory-enabled-there-is-no-such-tool', async () => {
  const { tools } = await play([tool('list', {}), { say: 'done' }])
  expect(tools[0]).toMatchObject({ is_error: true })
  expect(JSON.stringify(tools[0]?.tool_output)).toMatch(/No such tool/)
})
