/** Messages with an HMAC over them, as workers of the later generation send them all. */
import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { openFleet, unique } from './support/fleet.ts'
import { openWire, serveThisFile } from './support/server.ts'

serveThisFile()

const now = (): number => Math.floor(Date.now() / 1000)
const hmac = (canonical: string, secret: string): string => createHmac('sha256', secret).update(canonical).digest('hex')

test('a registration: keys sorted, no blanks, no nulls, without `security`; the worker’s own token is the key', async () => {
  const { worker, own } = await openWire()
  const headers = { 'x-worker-token': own.token }
  const skill = unique('sign')
  const timestamp = now()
  const message = {
    worker_id: own.id,
    timestamp,
    supported_skills: [{ name: skill, version: null, description: 'ä "quoted"' }],
    capabilities: { extra: { Z: 2.0, a: 0.5 }, s3_config_hash: null },
  }
  // Written out by hand: what is compared must not be made by the code that is tested.
  const canonical = `{"capabilities":{"extra":{"Z":2,"a":0.5}},"supported_skills":[{"description":"ä \\"quoted\\"","name":"${skill}"}],"timestamp":${timestamp},"worker_id":"${own.id}"}`
  const security = { signature: hmac(canonical, own.token), signer_id: own.id, identity_chain: null }
  const register = async (body: object) => (await worker('POST', '/workers/register', body, headers)).status
  expect(await register({ ...message, capabilities: {}, security }), 'changed on its way').toBe(403)
  expect(await register({ ...message, security: { signature: hmac(canonical, 'guessed') } }), 'another key').toBe(403)
  expect(await register({ ...message, security: { ...security, signer_id: 'another' } }), 'another signer').toBe(403)
  expect(await register({ ...message, security })).toBe(200)
  expect(await register({ ...message, security }), 'a copy').toBe(403)
})

test.each([
  ['older than a minute', -120],
  ['from the future', 120],
])('a right signature that is %s is refused', async (_, seconds) => {
  const { worker, own } = await openWire()
  const timestamp = now() + seconds
  const signature = hmac(`{"timestamp":${timestamp},"worker_id":"${own.id}"}`, own.token)
  const message = { worker_id: own.id, timestamp, security: { signature } }
  const answer = await worker('POST', '/workers/register', message, { 'x-worker-token': own.token })
  expect([answer.status, answer.body.code]).toEqual([403, 'INVALID_SIGNATURE'])
})

test('results and events are signed with the global token where the worker has no other; events without their chain', async () => {
  const { worker, globalToken, workerId, job, task, answer, read } = await openFleet()
  const id = await job()
  const { task_id } = await task()
  const timestamp = now()
  const event = `{"event_type":"progress","payload":{"message":"on","progress":0.5},"target_job_id":"${id}","target_task_id":"${task_id}","timestamp":${timestamp},"worker_id":"${workerId}"}`
  const signed = (canonical: string) => ({
    ...JSON.parse(canonical),
    security: { signature: hmac(canonical, globalToken) },
  })
  const told = await worker('POST', '/events', { ...signed(event), bubbling_chain: [workerId] })
  expect([told.status, (await read(id)).progress]).toEqual([200, 0.5])
  const result = `{"data":{"n":1},"job_id":"${id}","status":"success","task_id":"${task_id}","timestamp":${timestamp},"worker_id":"${workerId}"}`
  expect((await answer({ ...signed(result), data: { n: 2 } })).status).toBe(403)
  expect((await answer(signed(result))).body).toEqual({ status: 'accepted', transition: 'success_transition' })
  expect((await read(id)).data).toEqual({ n: 1 })
})
