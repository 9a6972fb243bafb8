/** @tutti/client stays in step with the server: every operation of the document has a method, and every method's answer parses. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, createClient } from '@tutti/client'
import { blueprint } from '@tutti/engine'
import { createLocalObjects } from '@tutti/objects'
import { expect, onTestFinished, test } from 'vitest'
import { blueprints } from './support/blueprints.ts'
import { startServer, tokens } from './support/server.ts'

/** What each method is called; those of the worker protocol and of blueprints' own endpoints are not the client's. */
const methods: Record<string, string> = {
  createJob: 'jobs.create',
  createJobs: 'jobs.createMany',
  listJobs: 'jobs.list',
  readJob: 'jobs.get',
  updateJob: 'jobs.pause',
  removeJob: 'jobs.remove',
  readHistory: 'jobs.history',
  followJob: 'jobs.stream',
  followJobs: 'jobs.streamAll',
  cancelJob: 'jobs.cancel',
  approveJob: 'jobs.approve',
  sendEvent: 'jobs.sendEvent',
  forkJob: 'jobs.fork',
  retryJob: 'jobs.retry',
  migrateJob: 'jobs.migrate',
  explainJob: 'jobs.explain',
  listQuarantined: 'jobs.quarantined',
  listFiles: 'jobs.files.list',
  addressForUpload: 'jobs.files.uploadAddress',
  uploadFile: 'jobs.files.uploadThrough',
  downloadFile: 'jobs.files.download',
  listSchedules: 'schedules.list',
  putSchedule: 'schedules.put',
  readSchedule: 'schedules.get',
  nextOfSchedule: 'schedules.next',
  removeSchedule: 'schedules.remove',
  pauseSchedule: 'schedules.pause',
  resumeSchedule: 'schedules.resume',
  triggerSchedule: 'schedules.trigger',
  listDeliveries: 'webhooks.deliveries',
  redeliver: 'webhooks.redeliver',
  readWebhookSecret: 'webhooks.secrets',
  rotateWebhookSecret: 'webhooks.rotateSecret',
  searchHistory: 'history.search',
  exportHistory: 'history.export',
  listBlueprints: 'blueprints.list',
  readGraph: 'blueprints.graph',
  registerBlueprint: 'blueprints.register',
  readBlueprint: 'blueprints.document',
  retireBlueprint: 'blueprints.retire',
  listWorkers: 'workers.list',
  drainWorker: 'workers.drain',
  removeWorker: 'workers.remove',
  readCatalog: 'workers.catalog',
  readDashboard: 'dashboard',
  readQuota: 'quota',
  reloadClients: 'reload',
  reloadWorkers: 'reload',
  reloadSchedules: 'reload',
  readHealth: 'health',
}
/** The older address of `approveJob`, and what a load balancer asks. */
const withoutMethod = ['approveJobOlder', 'readStatus']
/** Several calls, pages or fields of the above. */
const shorthands = [
  'jobs.page',
  'jobs.resume',
  'jobs.update',
  'jobs.wait',
  'jobs.files.upload',
  'webhooks.page',
  'history.page',
]

test('each operation of the document has a method of the client, and each method an operation', async () => {
  const server = await startServer()
  const { body } = await server.call('GET', '/_public/openapi.json')
  const operations = Object.entries(body.paths as Record<string, Record<string, { operationId?: string }>>)
    .filter(([path]) => !path.startsWith('/_worker'))
    .flatMap(([path, each]) =>
      Object.entries(each).map(([method, { operationId }]) => operationId ?? `${method} ${path}`),
    )
    .filter((id) => !id.startsWith('createAt'))
  expect(operations.sort()).toEqual([...Object.keys(methods), ...withoutMethod].sort())
  const known = new Set([...Object.values(methods), ...shorthands])
  expect(methodsOf(createClient({ url: server.url })).sort()).toEqual([...known].sort())
})

const methodsOf = (value: object, path = ''): string[] =>
  Object.entries(value).flatMap(([name, each]) =>
    typeof each === 'function' ? [path + name] : methodsOf(each as object, `${path}${name}.`),
  )

const versions = [1, 2].map((version) =>
  blueprint({ name: 'asking', version })
    .state('ask', { start: true, to: ['done'] }, ({ approval }) => approval({ message: '?', on: { yes: 'done' } }))
    .end('done'),
)

const open = async (): Promise<{ client: Client; operator: Client }> => {
  const server = await startServer({ blueprints: [...blueprints, ...versions] })
  await server.worker('hand-2')
  const of = (token: string) => createClient({ url: server.url, token, retry: { attempts: 1 } })
  return { client: of(tokens.anna), operator: of(tokens.olga) }
}

test('jobs: every answer of the real server parses', async () => {
  const { client } = await open()
  const { jobs } = client
  const key = { idempotencyKey: 'first' }
  const { job_id: id } = await jobs.create({ blueprint: 'asking', tags: ['t'], metadata: { a: 'b' } }, key)
  expect((await jobs.create({ blueprint: 'asking', tags: ['t'], metadata: { a: 'b' } }, key)).job_id).toBe(id)
  expect(await jobs.createMany([{ blueprint: 'nothing' }, { blueprint: 'nothing' }])).toHaveLength(2)
  expect((await jobs.pause(id)).status).toBe('paused')
  expect((await jobs.resume(id)).status).toBe('waiting_for_human')
  expect((await jobs.update(id, { priority: 3 })).priority).toBe(3)
  await jobs.sendEvent(id, { name: 'noise' })
  const found = await Array.fromAsync(jobs.list({ status: ['waiting_for_human'], metadata: { a: 'b' }, tag: 't' }))
  expect(found.map((job) => job.id)).toEqual([id])
  await jobs.approve(id, { decision: 'yes' })
  expect((await jobs.wait(id)).status).toBe('finished')
  expect((await jobs.history(id)).at(-1)?.event_type).toBe('job_finished')
  expect((await Array.fromAsync(jobs.stream(id))).length).toBe((await jobs.get(id)).seq)
  const { job_id: forked } = await jobs.fork(id, { state: 'ask' })
  expect((await jobs.get(forked)).origin).toMatchObject({ kind: 'fork', job_id: id })
  expect((await jobs.migrate(forked, { version: 1 })).version).toBe(1)
  await jobs.cancel(forked, 'enough')
  const { job_id: retried } = await jobs.retry(forked)
  await jobs.cancel(retried)
  await jobs.remove(retried)
  await expect(jobs.get(retried)).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  expect(await jobs.quarantined()).toEqual([])
  for await (const { line, cursor } of jobs.streamAll({ since: 'start' })) {
    expect([line.seq, cursor.length > 0]).toEqual([1, true])
    break
  }
})

test('a followed stream goes on behind its cursor', async () => {
  const { client } = await open()
  await client.jobs.createMany([{ blueprint: 'nothing' }, { blueprint: 'nothing' }])
  const take = async (since: string, count: number) => {
    const taken = []
    for await (const each of client.jobs.streamAll({ since })) if (taken.push(each) === count) break
    return taken
  }
  const all = await take('start', 6)
  expect(await take(all[2]?.cursor ?? '', 3)).toEqual(all.slice(3))
})

test('schedules, webhooks, overview: every answer of the real server parses', async () => {
  const { client, operator } = await open()
  const { schedules, webhooks } = client
  expect((await schedules.put('n', { blueprint: 'nothing', daily_at: '3:00' })).id).toBe('anna/n')
  expect(await schedules.next('n', { count: 2 })).toHaveLength(2)
  expect((await schedules.pause('n')).paused).toBe(true)
  expect((await schedules.resume('n')).paused).toBe(false)
  expect((await schedules.trigger('n')).status).toBe('accepted')
  expect((await schedules.get('n')).name).toBe('n')
  expect((await operator.schedules.list()).map(({ client: owner }) => owner)).toEqual(['anna'])
  await schedules.remove('n')
  expect(await schedules.list()).toEqual([])
  const former = await webhooks.secrets()
  expect((await webhooks.rotateSecret())[1]).toBe(former[0])
  expect(await Array.fromAsync(webhooks.deliveries())).toEqual([])
  await expect(webhooks.redeliver('none')).rejects.toMatchObject({ code: 'DELIVERY_NOT_FOUND' })
  expect((await client.dashboard()).workers.total).toBe(1)
  expect(await client.workers.list()).toHaveLength(1)
  expect(await client.workers.catalog()).toHaveProperty(['picture.shrink'])
  expect((await client.quota()).monthly_attempts).toBeNull()
  expect((await client.blueprints.graph('asking', { version: 1 })).version).toBe(1)
  expect((await client.blueprints.list()).length).toBeGreaterThan(4)
  await client.health()
  await expect(client.reload('workers')).rejects.toMatchObject({ code: 'FORBIDDEN' })
  await expect(client.history.page()).rejects.toMatchObject({ code: 'HISTORY_NOT_ENABLED' })
  await expect(client.blueprints.document('nobody', 1)).rejects.toMatchObject({ code: 'BLUEPRINT_NOT_FOUND' })
})

test('files: put past us and through us, listed, and fetched onto the disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'client-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const publicUrl = 'http://public.test'
  const objects = createLocalObjects({
    root: join(folder, 'objects'),
    publicUrl: `${publicUrl}/_public/objects`,
    secret: 'of the test',
  })
  const { verifyPresigned } = objects
  const server = await startServer({ files: { objects, bucket: 'b', maxUploadBytes: 1000, verifyPresigned } })
  const seen: (string | null)[] = []
  const client = createClient({
    url: server.url,
    token: tokens.anna,
    // As if the public address were this server's.
    fetch: async (url, init) => {
      const here = (address: string) => address.replace(publicUrl, server.url)
      if (String(url).startsWith(publicUrl)) seen.push(new Headers(init?.headers).get('authorization'))
      const answer = await fetch(here(String(url)), { ...init, redirect: 'manual' })
      return answer.status === 302 ? fetch(here(answer.headers.get('location') ?? '')) : answer
    },
  })
  const { jobs } = client
  const { job_id } = await jobs.create({ blueprint: 'nothing' })
  await jobs.files.upload(job_id, 'in/a.txt', 'past us')
  expect(await jobs.files.uploadThrough(job_id, 'b.txt', 'through us')).toMatch(/^s3:\/\/b\/.*b\.txt$/)
  expect((await jobs.files.uploadAddress(job_id, 'c', { expiresIn: 5 })).expires_in).toBe(5)
  const names = (await Array.fromAsync(jobs.files.list(job_id))).map(({ name, size }) => [name, size])
  expect(names).toEqual([
    ['b.txt', 10],
    ['in/a.txt', 7],
  ])
  await jobs.files.download(job_id, 'in/a.txt', join(folder, 'deep', 'a.txt'))
  expect(await readFile(join(folder, 'deep', 'a.txt'), 'utf8')).toBe('past us')
  // The token stays with the orchestrator.
  expect(seen).toEqual([null])
})
