/** What tasks tell while they run, over HTTP and by socket, in the words of both generations. */
import { expect, test } from 'vitest'
import { openFleet } from './support/fleet.ts'
import { serveThisFile } from './support/server.ts'

serveThisFile()

const forms: [name: string, frame: (job: string, task: string, progress: number) => object][] = [
  ['older', (job_id, task_id, progress) => ({ event: 'progress_update', job_id, task_id, progress, message: 'on' })],
  [
    'older, as its own workers wrote it',
    (job_id, task_id, progress) => ({
      type: 'progress_update',
      job_id,
      task_id,
      progress,
      message: 'on',
    }),
  ],
  [
    'newer',
    (target_job_id, target_task_id, progress) => ({
      event_id: crypto.randomUUID(),
      event_type: 'progress',
      payload: { progress, message: 'on' },
      origin_task_id: target_task_id,
      bubbling_chain: [],
      target_job_id,
      target_task_id,
      trace_context: null,
      priority: 0,
      timestamp: Math.floor(Date.now() / 1000),
    }),
  ],
]

test.each(forms)('progress over HTTP: %s', async (_, frame) => {
  const { worker, workerId, job, task, read } = await openFleet()
  const id = await job()
  const { task_id } = await task()
  const answer = await worker('POST', '/events', { worker_id: workerId, ...frame(id, task_id, 0.5) })
  expect([answer.status, answer.body]).toEqual([200, { status: 'event_accepted' }])
  expect(await read(id)).toMatchObject({ progress: 0.5, progress_message: 'on' })
  await worker('POST', '/events', { worker_id: 'another', ...frame(id, task_id, 0.9) })
  expect((await read(id)).progress).toBe(0.5)
})

test.each(forms)('progress by socket: %s', async (_, frame) => {
  const { url, globalToken, workerId, job, task, read, client } = await openFleet()
  const id = await job()
  const { task_id } = await task()
  const address = `${url.replace(/^http/, 'ws')}/_worker/ws/${workerId}`
  const socket = new WebSocket(address, { headers: { 'x-worker-token': globalToken } } as never)
  await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }))
  socket.send(JSON.stringify(frame(id, task_id, 0.25)))
  while ((await read(id)).progress !== 0.25) await new Promise((resolve) => setImmediate(resolve))
  const command = new Promise<string>((resolve) => {
    socket.addEventListener('message', ({ data }) => resolve(String(data)), { once: true })
  })
  await client('POST', `/jobs/${id}/cancel`)
  expect(JSON.parse(await command)).toEqual({ command: 'cancel_task', task_id, job_id: id })
  socket.close()
})

test('other events are accepted, with and without a task', async () => {
  const { worker, workerId, job, task } = await openFleet()
  const id = await job()
  const { task_id } = await task()
  for (const target of [{ target_job_id: id, target_task_id: task_id }, { target_job_id: null }, {}])
    expect((await worker('POST', '/events', { worker_id: workerId, event_type: 'preview', ...target })).status).toBe(
      200,
    )
  expect((await worker('POST', '/events', { worker_id: workerId, payload: {} })).body.path).toBe('body.event_type')
})

test('an event takes the job further before its task is done, and what the task answers then counts for nothing', async () => {
  const { worker, workerId, job, task, answer, read } = await openFleet()
  const id = await job('wire_event')
  const { job_id, task_id } = await task()
  const event = {
    event_id: crypto.randomUUID(),
    worker_id: workerId,
    event_type: 'preview_ready',
    payload: { preview: 'small.png' },
    target_job_id: id,
    target_task_id: task_id,
    priority: 0,
    timestamp: Math.floor(Date.now() / 1000),
  }
  for (let times = 0; times < 2; times += 1)
    expect((await worker('POST', '/events', event)).body).toEqual({ status: 'event_accepted' })
  expect(await read(id)).toMatchObject({ status: 'finished', current_state: 'previewed', result: event.payload })
  expect((await answer({ job_id, task_id, data: { late: true } })).body.status).toBe('ignored')
  expect((await read(id)).result).toEqual(event.payload)
})

test('an event that breaks the schema its worker declared is refused, and changes nothing', async () => {
  const { worker, workerId, skill, job, task, read } = await openFleet()
  const payload = { type: 'object', required: ['preview'], properties: { preview: { type: 'string' } } }
  await worker('POST', '/workers/register', {
    worker_id: workerId,
    supported_skills: [{ name: skill, events_schema: { preview_ready: payload } }],
  })
  const id = await job('wire_event')
  const { task_id } = await task()
  const tell = (payload: object) =>
    worker('POST', '/events', {
      worker_id: workerId,
      event_type: 'preview_ready',
      payload,
      target_job_id: id,
      target_task_id: task_id,
    })
  const refused = await tell({ preview: 7 })
  expect([refused.status, refused.body.code, refused.body.path]).toEqual([400, 'INVALID_BODY', 'body.payload.preview'])
  expect((await read(id)).status).toBe('waiting_for_worker')
  expect((await tell({ preview: 'small.png' })).status).toBe(200)
  expect((await read(id)).status).toBe('finished')
})
