import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalObjects, createS3Objects } from '@tutti/objects'
import { type TestS3, testS3 } from '@tutti/objects/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { JobFiles } from '../src/deps.ts'
import { createShrink, startServer, type TestServer, tokens } from './support/server.ts'

let s3: TestS3
beforeAll(async () => {
  s3 = await testS3()
})
afterAll(() => s3.close())

const localFiles = async (): Promise<JobFiles> => {
  const root = await mkdtemp(join(tmpdir(), 'tutti-files-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  const objects = createLocalObjects({ root, publicUrl: 'http://public.test/_public/objects', secret: 'of the test' })
  return { objects, bucket: 'local', maxUploadBytes: 1000, verifyPresigned: objects.verifyPresigned }
}

const s3Files = async (): Promise<JobFiles> => {
  const bucket = `tutti-test-${crypto.randomUUID()}`
  const objects = createS3Objects({ ...s3.options, bucket })
  await objects.ensureBucket()
  onTestFinished(() => objects.close())
  return { objects, bucket, maxUploadBytes: 1000 }
}

const codeOf = async (answer: Response) => ((await answer.json()) as { code: string }).code

describe.each([
  ['a local folder', localFiles],
  ['S3', s3Files],
])('files of a job, kept in %s:', (_name, make) => {
  let server: TestServer
  let files: JobFiles
  let id: string
  beforeEach(async () => {
    files = await make()
    server = await startServer({ files })
    id = await createShrink(server)
  })
  const reachable = (url: string): string => url.replace('http://public.test', server.url)
  const send = (method: string, path: string, body?: string, token = tokens.anna) =>
    fetch(`${server.url}/api/v1${path}`, {
      method,
      redirect: 'manual',
      headers: { 'x-avtomatika-token': token, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    })

  it('come through us or by a presigned address, are listed, and are fetched through a redirect', async () => {
    const put = await send('PUT', `/jobs/${id}/files/content/a.json`, 'no json {')
    expect([put.status, await put.json()]).toEqual([
      200,
      { status: 'uploaded', s3_uri: `s3://${files.bucket}/jobs/${id}/a.json` },
    ])
    const asked = await server.call('GET', `/api/v1/jobs/${id}/files/upload?filename=in/b.txt`)
    expect(asked.body).toMatchObject({ expires_in: 3600, method: 'PUT' })
    expect((await fetch(reachable(asked.body.url), { method: 'PUT', body: 'by address' })).status).toBe(200)

    const first = await server.call('GET', `/api/v1/jobs/${id}/files?limit=1`)
    expect(first.body).toMatchObject({ items: [{ name: 'a.json', size: 9 }], next_cursor: 'a.json' })
    const second = await server.call('GET', `/api/v1/jobs/${id}/files?limit=1&cursor=${first.body.next_cursor}`)
    expect(second.body).toMatchObject({ items: [{ name: 'in/b.txt', size: 10 }], next_cursor: null })

    const found = await send('GET', `/jobs/${id}/files/download/in%2Fb.txt`)
    expect([found.status, found.headers.get('cache-control')]).toEqual([302, 'no-store'])
    const file = await fetch(reachable(found.headers.get('location') ?? ''))
    expect([file.status, await file.text()]).toEqual([200, 'by address'])
    expect(file.headers.get('content-disposition')).toMatch(/^attachment; filename="b.txt"/)
  })

  it('are nobody else’s: a stranger hears of no job', async () => {
    await send('PUT', `/jobs/${id}/files/content/a`, 'x')
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/upload?filename=a'],
      ['GET', '/download/a'],
      ['PUT', '/content/a'],
    ] as const) {
      const answer = await send(method, `/jobs/${id}/files${path}`, method === 'PUT' ? 'y' : undefined, tokens.otto)
      expect([answer.status, await codeOf(answer)]).toEqual([404, 'JOB_NOT_FOUND'])
    }
    expect((await files.objects.head(`jobs/${id}/a`))?.size).toBe(1)
  })

  it.each(['..%2F..%2Fpayloads%2Fx', '%2Fetc%2Fpasswd', 'a%00b', 'a%5Cb', 'a%2F%2Fb', 'exe%E2%80%AEtxt'])(
    'named %s are refused with the place of the fault',
    async (filename) => {
      const upload = await server.call('GET', `/api/v1/jobs/${id}/files/upload?filename=${filename}`)
      expect([upload.status, upload.body.path]).toEqual([400, 'query.filename'])
      for (const [method, path] of [
        ['GET', 'download'],
        ['PUT', 'content'],
      ] as const) {
        const answer = await send(method, `/jobs/${id}/files/${path}/${filename}`, method === 'PUT' ? 'x' : undefined)
        expect([answer.status, ((await answer.json()) as { path: string }).path]).toEqual([400, 'path.filename'])
      }
      expect((await files.objects.list('')).objects).toEqual([])
    },
  )

  it('have bounds, and so have their addresses', async () => {
    const large = await send('PUT', `/jobs/${id}/files/content/a`, 'x'.repeat(1001))
    expect([large.status, await codeOf(large)]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
    expect(await files.objects.head(`jobs/${id}/a`)).toBeNull()
    for (const seconds of ['0', '604801', 'x', '1.5']) {
      const answer = await server.call('GET', `/api/v1/jobs/${id}/files/upload?filename=a&expires_in=${seconds}`)
      expect([answer.status, answer.body.path]).toEqual([400, 'query.expires_in'])
    }
    const absent = await send('GET', `/jobs/${id}/files/download/no`)
    expect([absent.status, await codeOf(absent)]).toEqual([404, 'FILE_NOT_FOUND'])
  })

  it('are not reached by an address that was changed', async () => {
    await send('PUT', `/jobs/${id}/files/content/a`, 'x')
    await send('PUT', `/jobs/${id}/files/content/b`, 'y')
    const location = (await send('GET', `/jobs/${id}/files/download/a`)).headers.get('location') ?? ''
    const changed = await fetch(reachable(location.replace(`${id}/a`, `${id}/b`)))
    expect(changed.status).toBe(403)
  })
})

it('without a place for files every route says so', async () => {
  const server = await startServer()
  const id = await createShrink(server)
  for (const [method, path] of [
    ['GET', ''],
    ['GET', '/upload?filename=a'],
    ['GET', '/download/a'],
    ['PUT', '/content/a'],
  ] as const) {
    const answer = await server.call(method, `/api/v1/jobs/${id}/files${path}`)
    expect([answer.status, answer.body.error]).toEqual([501, 'S3 support is not enabled'])
  }
})

it('object storage that is away is worth another try', async () => {
  const other = await testS3()
  const objects = createS3Objects(other.options)
  await objects.ensureBucket()
  const server = await startServer({ files: { objects, bucket: 'b', maxUploadBytes: 1000 } })
  const id = await createShrink(server)
  await other.close()
  const answer = await server.call('PUT', `/api/v1/jobs/${id}/files/content/a`, 'x')
  expect([answer.status, answer.body.code, answer.body.retryable]).toEqual([503, 'STORE_UNAVAILABLE', true])
})
