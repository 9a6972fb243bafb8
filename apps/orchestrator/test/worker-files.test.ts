/** Files for workers that have no keys to the storage. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blueprint } from '@tutti/engine'
import { createLocalObjects, createS3Objects } from '@tutti/objects'
import { type TestS3, testS3 } from '@tutti/objects/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import type { JobFiles } from '../src/deps.ts'
import { startServer, type TestServer, tokens } from './support/server.ts'

let s3: TestS3
beforeAll(async () => {
  s3 = await testS3()
})
afterAll(() => s3.close())

const localFiles = async (): Promise<JobFiles> => {
  const root = await mkdtemp(join(tmpdir(), 'tutti-files-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  const objects = createLocalObjects({ root, publicUrl: 'http://public.test/_public/objects', secret: 'of the test' })
  return { objects, bucket: 'files', maxUploadBytes: 1000, verifyPresigned: objects.verifyPresigned }
}

const s3Files = async (): Promise<JobFiles> => {
  const bucket = `tutti-test-${crypto.randomUUID()}`
  const objects = createS3Objects({ ...s3.options, bucket })
  await objects.ensureBucket()
  onTestFinished(() => objects.close())
  return { objects, bucket, maxUploadBytes: 1000 }
}

/** Its task names the files that the client says. */
const read = blueprint({ name: 'read', input: z.object({ files: z.array(z.string()).default([]) }) })
  .state('begin', { start: true, to: ['done'] }, ({ input, dispatch }) =>
    dispatch('read', { nested: [{ files: input.files }] }, { on: { success: 'done' } }),
  )
  .end('done')

/** Its child's task reads. */
const above = blueprint({ name: 'above' })
  .state('begin', { start: true, to: ['done'] }, ({ runBlueprint }) =>
    runBlueprint('read', {}, { on: { success: 'done' } }),
  )
  .end('done')

interface Held {
  worker: string
  job: string
  task: string
  token: string
}

describe.each([
  ['a local folder', localFiles],
  ['S3', s3Files],
])('files of tasks, kept in %s:', (_name, make) => {
  let server: TestServer
  let files: JobFiles
  beforeEach(async () => {
    files = await make()
    server = await startServer({ files, blueprints: [read, above] })
    await server.worker('hand-2', ['read'])
    await server.worker('hand-3', ['read'])
  })
  const reachable = (url: string): string => url.replace('http://public.test', server.url)
  const uri = (key: string) => `s3://${files.bucket}/${key}`
  const create = async (input = {}, token = tokens.anna, name = 'read'): Promise<string> =>
    (await server.call('POST', '/api/v1/jobs', { blueprint: name, input }, { 'x-avtomatika-token': token })).body.job_id
  const take = async (worker = 'hand-2'): Promise<Held> => {
    const { body } = await server.work('GET', `/workers/${worker}/tasks/next?timeout=5`)
    return { worker, job: body.job_id, task: body.task_id, token: body.lease_token }
  }
  const ask = (held: Held, address: string, path = '/download', more = '') =>
    server.work(
      'GET',
      `/tasks/${held.task}/files${path}?job_id=${held.job}&lease_token=${held.token}&uri=${encodeURIComponent(address)}${more}`,
      undefined,
      { 'x-worker-id': held.worker },
    )
  const offer = (held: Held, body: object) =>
    server.work('POST', `/tasks/${held.task}/files/upload`, { job_id: held.job, worker_id: held.worker, ...body })

  it('go up by an address, with their hash, and come down by another', async () => {
    await create()
    const held = await take()
    const sha256 = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
    const { status, body } = await offer(held, { filename: 'out/a b.txt', size: 5, sha256 })
    expect(status).toBe(200)
    const key = `jobs/${held.job}/tasks/${held.task}/1/out/a b.txt`
    expect(body.uri).toBe(uri(key))
    const put = await fetch(reachable(body.url), { method: 'PUT', headers: body.headers, body: 'hello' })
    expect(put.status).toBe(200)
    expect(await files.objects.head(key)).toMatchObject({ size: 5, sha256 })

    const found = await ask(held, body.uri)
    expect(found.body).toMatchObject({ size: 5, sha256, expires_in: 3600 })
    expect(found.headers.get('cache-control')).toBe('no-store')
    expect(await (await fetch(reachable(found.body.url))).text()).toBe('hello')
    const folder = await ask(held, uri(`jobs/${held.job}/tasks/${held.task}/`), '')
    expect(folder.body).toEqual({ items: [{ name: '1/out/a b.txt', uri: body.uri, size: 5 }], next_cursor: null })
  })

  it('are those of the job, of the job above, and what its params name of the same client; nothing else', async () => {
    const otherOfAnna = await create()
    await take()
    const job = await create({ files: [uri(`jobs/${otherOfAnna}/a`), uri(`jobs/${otherOfAnna}/folder/`)] })
    const held = await take()
    expect(held.job).toBe(job)
    for (const key of ['a', 'b', 'folder/x', 'folder/deep/y'])
      await files.objects.put(`jobs/${otherOfAnna}/${key}`, 'x')
    await files.objects.put(`jobs/${job}/own`, 'x')
    expect((await ask(held, uri(`jobs/${job}/own`))).status).toBe(200)
    expect((await ask(held, uri(`jobs/${otherOfAnna}/a`))).status).toBe(200)
    expect((await ask(held, uri(`jobs/${otherOfAnna}/folder/deep/y`))).status).toBe(200)
    expect((await ask(held, uri(`jobs/${otherOfAnna}/folder/`), '')).body.items).toHaveLength(2)
    for (const address of [
      uri(`jobs/${otherOfAnna}/b`),
      uri(`jobs/${otherOfAnna}/`),
      uri(`jobs/${job}`.slice(0, -1)),
      's3://another/jobs/a',
      'file:///etc/passwd',
      uri(`jobs/${job}/../${otherOfAnna}/b`),
    ]) {
      const answer = await ask(held, address)
      expect([address, answer.status, answer.body.code]).toEqual([address, 403, 'FILE_DENIED'])
    }
    expect((await ask(held, uri(`jobs/${job}/none`))).body.code).toBe('FILE_NOT_FOUND')
  })

  it('are told of with the task that names them: their size and their hash', async () => {
    const other = await create()
    await take()
    const { sha256 } = await files.objects.put(`jobs/${other}/a`, 'hello')
    await create({
      files: [uri(`jobs/${other}/a`), uri(`jobs/${other}/none`), uri(`jobs/${other}/`), 's3://another/a'],
    })
    const { body } = await server.work('GET', '/workers/hand-2/tasks/next?timeout=5')
    expect(body.params_metadata).toEqual({
      'nested[0].files[0]': { uri: uri(`jobs/${other}/a`), size: 5, sha256, etag: expect.any(String) },
    })
    await create()
    const batch = await server.work('POST', '/tasks/results', {
      worker_id: 'hand-2',
      results: [{ job_id: body.job_id, task_id: body.task_id }],
      next: 1,
    })
    expect(batch.body.tasks).toHaveLength(1)
    expect(batch.body.tasks[0]).not.toHaveProperty('params_metadata')
  })

  it('of another client stay closed, although the params name them; so does what is nobody’s', async () => {
    const ofOtto = await create({}, tokens.otto)
    await take()
    await files.objects.put(`jobs/${ofOtto}/secret`, 'x')
    await files.objects.put('payloads/jobs/x', 'x')
    await files.objects.put('datasets/x', 'x')
    const named = [
      `jobs/${ofOtto}/secret`,
      `jobs/${ofOtto}/`,
      'payloads/jobs/x',
      'payloads/',
      'jobs/',
      'datasets/x',
      '',
    ]
    await create({ files: named.map(uri) })
    const { body } = await server.work('GET', '/workers/hand-2/tasks/next?timeout=5')
    expect(body, 'not even their size is told').not.toHaveProperty('params_metadata')
    const held = { worker: 'hand-2', job: body.job_id, task: body.task_id, token: body.lease_token }
    for (const key of named)
      expect([key, (await ask(held, uri(key), key.endsWith('/') || key === '' ? '' : '/download')).status]).toEqual([
        key,
        403,
      ])
    files.sharedPrefixes = ['datasets/']
    expect((await ask(held, uri('datasets/x'))).status).toBe(200)
  })

  it('of the job above are open to its child', async () => {
    const parent = await create({}, tokens.anna, 'above')
    const held = await take()
    expect(held.job).not.toBe(parent)
    await files.objects.put(`jobs/${parent}/a`, 'x')
    expect((await ask(held, uri(`jobs/${parent}/a`))).status).toBe(200)
  })

  it('are only for who holds the task, as long as he does', async () => {
    await create()
    const held = await take()
    await files.objects.put(`jobs/${held.job}/a`, 'x')
    const lost = async (which: Held) => [
      (await ask(which, uri(`jobs/${held.job}/a`))).body.code,
      (await ask(which, uri(`jobs/${held.job}/`), '')).body.code,
      (await offer(which, { filename: 'a', lease_token: which.token })).body.code,
    ]
    const gone = ['LEASE_LOST', 'LEASE_LOST', 'LEASE_LOST']
    expect(await lost({ ...held, worker: 'hand-3' })).toEqual(gone)
    expect(await lost({ ...held, token: 'an older one' })).toEqual(gone)
    expect(await lost({ ...held, job: crypto.randomUUID() })).toEqual(gone)
    const { job: job_id, task: task_id, worker: worker_id } = held
    await server.work('POST', '/tasks/result', { job_id, task_id, worker_id, status: 'success' })
    expect(await lost(held)).toEqual(gone)
    const stranger = await server.work('GET', `/tasks/${task_id}/files/download?job_id=${job_id}&uri=s3://a/b`)
    expect(stranger.status).toBe(400)
  })

  it.each(['../../../x', '/etc/passwd', 'a\0b', 'a\\b', 'a//b'])('named %j are refused', async (filename) => {
    await create()
    const { status, body } = await offer(await take(), { filename })
    expect([status, body.path]).toEqual([400, 'body.filename'])
  })

  it('are not what they were announced as: refused, or told by the hash', async () => {
    await create()
    const held = await take()
    const { body } = await offer(held, { filename: 'a', sha256: 'a'.repeat(64) })
    const put = await fetch(reachable(body.url), { method: 'PUT', headers: body.headers, body: 'hello' })
    const key = `jobs/${held.job}/tasks/${held.task}/1/a`
    if (files.verifyPresigned) expect([put.status, await files.objects.head(key)]).toEqual([400, null])
    else {
      const { stream } = await files.objects.get(key)
      await expect(stream.toArray()).rejects.toMatchObject({ code: 'CORRUPT' })
      const unhashed = await fetch(reachable(body.url), { method: 'PUT', body: 'hello' })
      expect(unhashed.status, 'the hash is part of what was signed').toBe(403)
    }
  })
})

it('without a place for files every route says so', async () => {
  const server = await startServer()
  await server.worker('hand-2')
  const where = `job_id=${crypto.randomUUID()}&uri=s3://a/b`
  const as = { 'x-worker-id': 'hand-2' }
  for (const path of ['files', 'files/download']) {
    const { status, body } = await server.work('GET', `/tasks/t/${path}?${where}`, undefined, as)
    expect([status, body.code]).toEqual([501, 'FILES_NOT_ENABLED'])
  }
  const body = { job_id: crypto.randomUUID(), filename: 'a' }
  expect((await server.work('POST', '/tasks/t/files/upload', body, as)).status).toBe(501)
})
