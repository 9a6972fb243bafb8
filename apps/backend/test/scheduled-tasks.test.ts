/** Messages that send themselves, as a program over HTTP sees them; when they are due is tested with the workbench. */
import type { ClaimedRun, RunView, ScheduledTaskTriggered, ScheduledTaskView } from '@tutti/contracts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, createStage, holder, type Running, type Stage } from './support/stage.ts'

let stage: Stage
/** Of two users. */
let own: Running
let strangers: Running

beforeAll(async () => {
  stage = await createStage()
  own = await stage.backend({}, { offersModel: (model) => model === 'm-1' })
  strangers = await stage.backend({ userId: 'stranger' })
})
afterAll(() => stage.close())

const path = '/api/v1/scheduled-tasks'
/** Never due while the test runs. */
const plain = { name: 'Look after it', cron: '0 0 1 1 *', prompt: 'look' }

const data = <T>(answer: Answer): T => {
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return answer.body.data as T
}
const fault = ({ status, body }: Answer): unknown[] => {
  const { code, path } = body.data as { code: string; path?: string }
  return [status, code, path]
}
const make = async (task: object = {}, by = own): Promise<ScheduledTaskView> =>
  data(await by.post(path, { ...plain, ...task }))
const at = ({ scheduled_task_id: id }: ScheduledTaskView): string => `${path}/${id}`
const get = async (task: ScheduledTaskView): Promise<ScheduledTaskView> => data(await own.get(at(task)))
const patch = (task: ScheduledTaskView, body: object, by = own): Promise<Answer> => by.send('PATCH', at(task), body)
const remove = async (task: ScheduledTaskView, by = own): Promise<Answer> => {
  const response = await fetch(by.address + at(task), { method: 'DELETE' })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}
const madeId = async (kind: string, body: object, by = own): Promise<number> =>
  data<{ id: number }>(await by.post(`/api/v1${kind}`, body)).id
const skill = (name: string) => ({
  files: [{ path: 'SKILL.md', content: `---\nname: ${name}\ndescription: The ${name}\n---\nDo it.` }],
})

test('a task is made with its defaults, shown, listed, changed, switched off and on, and deleted', async () => {
  const first = await make({ timezone: 'Europe/Vienna' })
  expect(first).toMatchObject({
    ...{ ...plain, timezone: 'Europe/Vienna', enabled: true, reuse_session: false, overlap: 'skip', config: {} },
    ...{ next_run_at: expect.stringMatching(/-12-31T23:00:00.000Z$/), last_run_id: null, last_error: null },
  })
  const second = await make({ name: 'another' })
  expect(await get(first)).toEqual(first)
  const page = await fetch(`${own.address}${path}?limit=1`)
  expect(((await page.json()) as { data: object[] }).data).toEqual([second])
  expect(page.headers.get('link')).toContain('offset=1')
  expect(data(await own.get(`${path}?limit=10&offset=1`))).toEqual([first])

  const changed = await patch(first, {
    name: 'Look again',
    cron: '30 12 * * 1',
    timezone: 'UTC',
    config: { model: 'm-1' },
  })
  const view = data<ScheduledTaskView>(changed)
  expect(view).toMatchObject({ name: 'Look again', cron: '30 12 * * 1', prompt: 'look', config: { model: 'm-1' } })
  const next = new Date(view.next_run_at ?? '')
  expect([next.getUTCDay(), next.getUTCHours(), next.getUTCMinutes()]).toEqual([1, 12, 30])
  expect(data(await patch(first, { enabled: false }))).toMatchObject({ enabled: false, next_run_at: null })
  expect(data(await patch(first, { enabled: true }))).toMatchObject({ enabled: true, next_run_at: view.next_run_at })
  expect(data(await patch(first, { config: null }))).toMatchObject({ config: {} })

  expect(data(await remove(first))).toEqual({ id: first.scheduled_task_id })
  for (const answer of [await own.get(at(first)), await remove(first), await patch(first, { enabled: false })])
    expect(fault(answer)).toEqual([404, 'SCHEDULED_TASK_NOT_FOUND', undefined])
  expect(data(await own.get(path))).toEqual([second])
})

test('run now makes a run, also of a task that is off, and its runs outlive it', async () => {
  const task = await make({ enabled: false, permission_mode: 'acceptEdits', config: { max_turns: 3 } })
  const started = data<ScheduledTaskTriggered>(await own.post(`${at(task)}/trigger`, {}))
  expect(started.queued).toBe(false)
  const [run, ...others] = data<RunView[]>(await own.get(`${at(task)}/runs`))
  expect(others).toEqual([])
  expect(run).toMatchObject({
    ...{ run_id: started.run_id, session_id: started.session_id, permission_mode: 'acceptEdits' },
    ...{ scheduled_task_id: task.scheduled_task_id, config_snapshot: { max_turns: 3 } },
  })
  const asked = { worker_id: 'manager-1', boot_id: 'boot-1', wait_seconds: 20, schedule_modes: ['scheduled'] }
  const claimed = data<ClaimedRun>(await own.manage('/claim', asked))
  expect(claimed).toMatchObject({ run_id: started.run_id, prompt: 'look', attended: false })
  await own.manage(`/${claimed.run_id}/finish`, { ...holder(claimed), outcome: 'completed', result: 'done' })
  expect(await get(task)).toMatchObject({ last_run_id: started.run_id, last_run_status: 'completed', enabled: false })
  data(await remove(task))
  expect(data(await own.get(`/api/v1/runs/${started.run_id}`))).toMatchObject({ status: 'completed' })
})

describe('what can’t be is refused when it is written, with its place', () => {
  test.each<[string, object, unknown[]]>([
    ['no cron', { cron: 'sometimes' }, [400, 'INVALID_BODY', 'body.cron']],
    ['every second', { cron: '* * * * * *' }, [400, 'INVALID_BODY', 'body.cron']],
    ['no time zone', { timezone: 'Europe/Atlantis' }, [400, 'INVALID_BODY', 'body.timezone']],
    ['no prompt', { prompt: ' ' }, [400, 'INVALID_BODY', 'body.prompt']],
    ['two at once in one session', { reuse_session: true, overlap: 'allow' }, [400, 'INVALID_BODY', 'body.overlap']],
    ['a model that is not offered', { config: { model: 'm-2' } }, [400, 'INVALID_BODY', 'body.config.model']],
    [
      'a schema that is none',
      { config: { output_schema: { properties: { a: { type: 'text' } } } } },
      [400, 'INVALID_BODY', 'body.config.output_schema.properties.a.type'],
    ],
    [
      'somebody’s upload',
      { config: { input_files: [{ name: 'a', source: 'attachments/somebody/a' }] } },
      [400, 'INVALID_BODY', 'body.config.input_files[0].source'],
    ],
  ])('%s', async (_, part, expected) => {
    const task = await make()
    expect(fault(await own.post(path, { ...plain, ...part }))).toEqual(expected)
    expect(fault(await patch(task, part))).toEqual(expected)
    expect(await get(task)).toEqual(task)
    data(await remove(task))
  })

  test.each(['skill_ids', 'plugin_ids', 'mcp_server_ids', 'subagent_ids'])(
    'one of %s that is not there',
    async (field) => {
      const task = await make()
      const config = { [field]: [900_000_000] }
      const expected = [404, 'CAPABILITY_NOT_FOUND', `body.config.${field}.0`]
      expect(fault(await own.post(path, { ...plain, config }))).toEqual(expected)
      expect(fault(await patch(task, { config }))).toEqual(expected)
      data(await remove(task))
    },
  )

  test('a preset, and a skill that is switched on, of somebody else', async () => {
    const preset_id = await madeId('/presets', { name: 'theirs' }, strangers)
    const skillId = await madeId('/skills', skill('theirs'), strangers)
    expect(fault(await own.post(path, { ...plain, config: { preset_id } }))).toEqual([
      ...[404, 'CAPABILITY_NOT_FOUND', 'body.config.preset_id'],
    ])
    expect(fault(await own.post(path, { ...plain, config: { skill_config: { [skillId]: true } } }))).toEqual([
      ...[404, 'CAPABILITY_NOT_FOUND', `body.config.skill_config.${skillId}`],
    ])
  })
})

test('a part that has gone since is told of when it is due, and does not keep its task from being changed', async () => {
  const id = await madeId('/skills', skill('passing'))
  const task = await make({ config: { skill_ids: [id] } })
  const gone = await fetch(`${own.address}/api/v1/skills/${id}`, { method: 'DELETE' })
  expect(gone.status).toBe(200)
  const started = await own.post(`${at(task)}/trigger`, {})
  expect(fault(started)).toEqual([404, 'CAPABILITY_NOT_FOUND', 'body.config.skill_ids.0'])
  expect(await get(task)).toMatchObject({ last_run_id: null, last_error: expect.stringContaining('skill_ids') })
  expect(data(await patch(task, { enabled: false }))).toMatchObject({ enabled: false })
  expect(data(await patch(task, { config: { skill_ids: null } }))).toMatchObject({ enabled: false })
  expect(data(await own.post(`${at(task)}/trigger`, {}))).toMatchObject({ queued: false })
})

test('somebody else’s task is as good as none', async () => {
  const task = await make()
  const none = [404, 'SCHEDULED_TASK_NOT_FOUND', undefined]
  expect(fault(await strangers.get(at(task)))).toEqual(none)
  expect(fault(await strangers.get(`${at(task)}/runs`))).toEqual(none)
  expect(fault(await patch(task, { enabled: false }, strangers))).toEqual(none)
  expect(fault(await strangers.post(`${at(task)}/trigger`, {}))).toEqual(none)
  expect(fault(await remove(task, strangers))).toEqual(none)
  expect(data(await strangers.get(path))).toEqual([])
  expect(await get(task)).toEqual(task)
})
