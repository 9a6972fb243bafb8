/** Signs of life in the words of both generations. */
import { expect, test } from 'vitest'
import { openFleet, unique } from './support/fleet.ts'
import { serveThisFile } from './support/server.ts'

serveThisFile()

test('an empty one only prolongs the registration; an unknown worker is told to register', async () => {
  const { worker, workerId } = await openFleet()
  const ping = await worker('PATCH', `/workers/${workerId}`)
  expect([ping.status, ping.body]).toEqual([200, { status: 'ttl_refreshed' }])
  for (const body of [undefined, { load: 0 }, { current_tasks: [] }]) {
    const answer = await worker('PATCH', `/workers/${unique('nobody')}`, body)
    expect([answer.status, answer.body.error]).toEqual([404, 'Worker not found'])
  }
})

test('our choice: what is no JSON is refused, where the older server took it for a sign of life', async () => {
  const { worker, workerId } = await openFleet()
  for (const body of ['{', '[]', '7'])
    expect((await worker('PATCH', `/workers/${workerId}`, body)).body.code, body).toBe('INVALID_BODY')
})

test('older: laid over the record, and answered with it', async () => {
  const { worker, workerId, skill } = await openFleet({ hostname: 'attic' })
  const beat = { load: 0.5, status: 'idle', supported_tasks: [skill], hot_cache: ['stable'] }
  const answer = await worker('PATCH', `/workers/${workerId}`, beat)
  expect(answer.body).toMatchObject({ ...beat, worker_id: workerId, hostname: 'attic' })
  const second = await worker('PATCH', `/workers/${workerId}`, { load: 0.75 })
  expect(second.body).toMatchObject({ load: 0.75, hot_cache: ['stable'] })
})

test('older: a full worker lists no tasks, and gets the next one as soon as it lists them again', async () => {
  const { worker, workerId, job, next, skill } = await openFleet()
  const beat = (supported_tasks: string[]) => worker('PATCH', `/workers/${workerId}`, { load: 1, supported_tasks })
  await beat([])
  const id = await job()
  expect((await next('?timeout=0')).status).toBe(204)
  const parked = next('?timeout=30')
  await beat([skill])
  expect((await parked).body.job_id).toBe(id)
})

test('newer: answered with ok, and with the tasks that are to be stopped', async () => {
  const { worker, workerId, job, task, client } = await openFleet()
  const id = await job()
  const { task_id } = await task()
  const beat = (current_tasks: string[]) =>
    worker('PATCH', `/workers/${workerId}`, {
      worker_id: workerId,
      status: 'busy',
      usage: { cpu_load_percent: 12.5, devices_usage: [] },
      current_tasks,
      supported_skills: null,
      skills_hash: null,
      metadata: null,
      timestamp: Math.floor(Date.now() / 1000),
    })
  const alive = await beat([task_id])
  expect(alive.body).toEqual({ status: 'ok', cancel_task_ids: [] })
  expect((await beat([task_id, 'task-of-nobody'])).body.cancel_task_ids).toEqual(['task-of-nobody'])
  await client('POST', `/jobs/${id}/cancel`)
  expect((await beat([task_id])).body.cancel_task_ids).toEqual([task_id])
})

test('newer: skills that changed are asked for, and replace the old ones', async () => {
  const { worker, workerId, skill, next, client } = await openFleet({ skills_hash: 'first' })
  const added = unique('added')
  const beat = (body: object) => worker('PATCH', `/workers/${workerId}`, { current_tasks: [], ...body })
  expect((await beat({ skills_hash: 'first' })).body).not.toHaveProperty('require_full_sync')
  expect((await beat({ skills_hash: 'second' })).body.require_full_sync).toBe(true)
  expect((await beat({ skills_hash: 'second' })).body.require_full_sync, 'until it has come').toBe(true)
  const full = await beat({ skills_hash: 'second', supported_skills: [{ name: skill }, { name: added }] })
  expect(full.body).not.toHaveProperty('require_full_sync')
  expect((await beat({ skills_hash: 'second' })).body).not.toHaveProperty('require_full_sync')
  const { body } = await client('POST', '/jobs', { blueprint: 'wire_single', input: { skill: added } })
  expect((await next()).body.job_id).toBe(body.job_id)
})

test('a worker that leaves gets no more tasks', async () => {
  const { worker, workerId, job, next } = await openFleet()
  await worker('PATCH', `/workers/${workerId}`, { status: 'draining', current_tasks: [] })
  await job()
  expect((await next('?timeout=0')).status).toBe(204)
})
