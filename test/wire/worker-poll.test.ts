/** What workers are handed. */
import { expect, test } from 'vitest'
import { openFleet, unique } from './support/fleet.ts'
import { serveThisFile } from './support/server.ts'

serveThisFile()

test('nothing to do is 204 after the time-out', async () => {
  const { next } = await openFleet()
  const answer = await next()
  expect([answer.status, answer.body]).toEqual([204, ''])
})

test('a task has the fields of both generations, and none that is null', async () => {
  const { workerId, worker, skill, job, task } = await openFleet()
  await worker('POST', '/workers/register', {
    worker_id: workerId,
    supported_skills: [{ name: skill, version: '1.2', type: 'image' }],
  })
  const id = await job()
  const body = await task()
  expect(body).toMatchObject({
    job_id: id,
    task_id: expect.any(String),
    type: skill,
    params: { number: 1 },
    tracing_context: {},
    priority: 0,
    deadline: expect.any(Number),
    skill_version: '1.2',
    skill_type: 'image',
    timestamp: expect.any(Number),
    attempt: 1,
    lease_token: expect.any(String),
    lease_seconds: expect.any(Number),
  })
  expect(Object.values(body)).not.toContain(null)
  expect(Math.abs(body.timestamp - Date.now() / 1000)).toBeLessThan(60)
  expect(body.deadline).toBeGreaterThan(body.timestamp)
})

test('a task that waited for its worker is handed out; nobody needed to be idle when it was made', async () => {
  const { worker, client } = await openFleet()
  const [skill, late] = [unique('skill'), unique('late')]
  const { body } = await client('POST', '/jobs', { blueprint: 'wire_single', input: { skill } })
  await worker('POST', '/workers/register', { worker_id: late, supported_tasks: [skill] })
  expect((await worker('GET', `/workers/${late}/tasks/next`)).body.job_id).toBe(body.job_id)
})

test('skills in the query narrow what is handed out', async () => {
  const { worker, workerId, client } = await openFleet()
  const [first, second] = [unique('first'), unique('second')]
  await worker('POST', '/workers/register', { worker_id: workerId, supported_skills: [first, second] })
  const create = async (skill: string) =>
    (await client('POST', '/jobs', { blueprint: 'wire_single', input: { skill } })).body.job_id
  const [a, b] = [await create(first), await create(second)]
  const next = async (query: string) => (await worker('GET', `/workers/${workerId}/tasks/next?timeout=0&${query}`)).body
  expect((await next(`skills=${unique('unknown')}`)).job_id).toBeUndefined()
  expect((await next(`skills=${second}`)).job_id).toBe(b)
  expect((await next(`available_skills=${second}&hot_skills=${second}`)).job_id).toBeUndefined()
  expect((await next(`available_skills=${first},${second}&hot_skills=`)).job_id).toBe(a)
})

test('warm skills that a poll tells of are known from then on', async () => {
  const { worker, workerId, skill, client } = await openFleet()
  await worker('GET', `/workers/${workerId}/tasks/next?timeout=0&hot_skills=${skill}`)
  const { body } = await client('GET', '/workers')
  const listed = body.find((each: { worker_id: string }) => each.worker_id === workerId)
  expect(listed.hot_skills).toEqual([skill])
})

test('an unknown worker is told to register', async () => {
  const { worker } = await openFleet()
  const answer = await worker('GET', `/workers/${unique('nobody')}/tasks/next?timeout=0`)
  expect([answer.status, answer.body.code]).toEqual([404, 'WORKER_NOT_FOUND'])
})

test('our own words: up to `max` tasks at once, as a list that may be empty', async () => {
  const { job, next } = await openFleet()
  expect((await next('?timeout=0&max=5')).body).toEqual({ tasks: [] })
  const ids = [await job(), await job(), await job()]
  const first = (await next('?max=2')).body.tasks
  const second = (await next('?max=2')).body.tasks
  expect([first.length, second.length]).toEqual([2, 1])
  expect([...first, ...second].map((each: { job_id: string }) => each.job_id)).toEqual(ids)
})

const fleets: [name: string, weak: object, strong: object][] = [
  [
    'older',
    { resources: { cpu_cores: 8, gpu_info: { model: 'T4', vram_gb: 16 } }, installed_models: [{ name: 'stable' }] },
    {
      resources: { cpu_cores: 8, gpu_info: { model: 'NVIDIA RTX 4090', vram_gb: 24 } },
      installed_models: [{ name: 'stable', version: '1.5' }],
    },
  ],
  [
    'newer',
    {
      resources: { devices: [{ type: 'gpu', model: 'T4', id: null, properties: { vram_gb: 16 } }] },
      installed_artifacts: [{ name: 'stable', version: '1.5' }],
    },
    {
      resources: { devices: [{ type: 'gpu', model: 'NVIDIA RTX 4090', id: null, properties: { vram_gb: 24 } }] },
      installed_artifacts: [{ name: 'stable', version: '1.5', type: 'model' }],
    },
  ],
]

test.each(fleets)('what a task needs is found in the words of the %s generation (9.28)', async (_, weak, strong) => {
  const { worker, skill, job, next } = await openFleet({ supported_skills: [] })
  const [small, large] = [unique('small'), unique('large')]
  const register = (worker_id: string, has: object) =>
    worker('POST', '/workers/register', { worker_id, supported_tasks: [skill], ...has })
  await register(small, weak)
  await register(large, strong)
  const needs = {
    devices: [{ type: 'gpu', model: 'rtx', properties: { vram_gb: 20 } }],
    artifacts: [{ name: 'stable', version: '1.5' }],
  }
  const id = await job('wire_needs', { needs })
  expect((await next('?timeout=0', small)).status).toBe(204)
  expect((await next('?timeout=30', large)).body.job_id).toBe(id)
})
