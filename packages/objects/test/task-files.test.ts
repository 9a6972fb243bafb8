import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  createTaskFiles,
  type FileOperation,
  type ObjectStore,
  sweepTaskFiles,
  type TaskFiles,
  type TaskFilesOptions,
} from '../src/index.ts'
import { type TestS3, testS3 } from '../src/testing/test-s3.ts'
import { makeLocalStore } from './local-store.ts'
import { makeS3Store } from './s3-store.ts'

let server: TestS3
beforeAll(async () => {
  server = await testS3()
})
afterAll(() => server.close())

const job = '0b5dd0d5-7a3c-4f6e-9f7e-000000000001'
const otherJob = '0b5dd0d5-7a3c-4f6e-9f7e-000000000002'

describe.each([
  ['a local folder', () => makeLocalStore()],
  ['S3', () => makeS3Store(server)],
])('files of a job, kept in %s:', (_name, make) => {
  let under: { store: ObjectStore; tamper: (key: string) => Promise<void>; close: () => Promise<void> }
  let dir: string
  let operations: FileOperation[]
  let files: TaskFiles
  const filesOf = (id: string, more: Partial<TaskFilesOptions> = {}, related: string[] = []): TaskFiles =>
    createTaskFiles(
      { objects: under.store, bucket: 'ours', dir, onOperation: (each) => operations.push(each), ...more },
      id,
      related,
    )
  beforeEach(async () => {
    under = await make()
    dir = join(await mkdtemp(join(tmpdir(), 'tutti-files-')), 'files')
    operations = []
    files = filesOf(job)
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
    await under.close()
  })
  const read = (path: string) => readFile(path, 'utf8')

  it('go up and come down, by name and by address, and are told of', async () => {
    await files.writeText('notes/a.txt', 'Grüße')
    const uri = await files.upload('notes/a.txt')
    expect(uri).toBe(`s3://ours/jobs/${job}/notes/a.txt`)
    await files.cleanup({ remote: false })
    expect(await read(await files.download('notes/a.txt'))).toBe('Grüße')
    expect(await read(await files.download(uri, 'copy.txt'))).toBe('Grüße')
    expect(await files.list()).toMatchObject([{ name: 'notes/a.txt', size: 7 }])
    expect(operations).toMatchObject([
      { jobId: job, operation: 'upload', uri, bytes: 7, error: null },
      { operation: 'cleanup' },
      { operation: 'download', uri, bytes: 7 },
      { operation: 'download', uri },
      { operation: 'list' },
    ])
  })

  it('go as directories, with all that is in them', async () => {
    for (const name of ['out/1', 'out/deep/2', 'out/deep/er/3', 'outside']) await files.writeText(name, name)
    expect(await files.upload('out/', 'result/')).toBe(`s3://ours/jobs/${job}/result/`)
    const there = filesOf(job, { dir: join(dir, 'elsewhere') })
    const path = await there.download('result/')
    expect([await read(join(path, '1')), await read(join(path, 'deep/er/3'))]).toEqual(['out/1', 'out/deep/er/3'])
    expect((await files.list()).map(({ name }) => name)).toEqual(['result/1', 'result/deep/2', 'result/deep/er/3'])
    await expect(files.download('no/such/')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('hold text and JSON; one reads what it wrote, and what another machine uploaded since', async () => {
    expect(await files.writeJson('state.json', { n: 1 })).toBe(`s3://ours/jobs/${job}/state.json`)
    expect(await files.writeJson('draft.json', { n: 9 }, { upload: false })).toMatch(/^file:\/\//)
    expect(await files.readJson('draft.json')).toEqual({ n: 9 })
    await filesOf(job, { dir: join(dir, 'elsewhere') }).writeJson('state.json', { n: 2 })
    expect(await files.readJson('state.json')).toEqual({ n: 2 })
    await files.writeText('state.json', '{"n":3}')
    expect(await files.readJson('state.json')).toEqual({ n: 3 })
    await expect(files.readText('no such')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('of the same last name are two files', async () => {
    const parent = filesOf(otherJob)
    await parent.writeJson('a/data.json', 1)
    await parent.writeJson('b/data.json', 2)
    const child = filesOf(job, {}, [otherJob])
    const [a, b] = [`s3://ours/jobs/${otherJob}/a/data.json`, `s3://ours/jobs/${otherJob}/b/data.json`]
    const paths = [await child.download(a), await child.download(b)]
    expect(paths.map((path) => basename(path))).toEqual(['data.json', 'data.json'])
    expect([await read(paths[0] ?? ''), await read(paths[1] ?? ''), await child.readJson(a)]).toEqual(['1', '2', 1])
  })

  it('of another job, another bucket or the rest of ours are refused, not looked for elsewhere', async () => {
    await filesOf(otherJob).writeJson('secret.json', 1)
    await under.store.put('payloads/x', 'x')
    const denied = { code: 'ACCESS_DENIED' }
    for (const uri of [
      `s3://ours/jobs/${otherJob}/secret.json`,
      's3://ours/payloads/x',
      's3://ours/',
      's3://theirs/secret.json',
      's3://constructor/x',
      's3:///x',
      `s3://ours/jobs/${job}`,
    ]) {
      await expect(files.download(uri)).rejects.toMatchObject(denied)
      await expect(files.readText(uri)).rejects.toMatchObject(denied)
    }
    await files.writeText('x', 'x')
    await expect(files.upload('x', `s3://ours/jobs/${otherJob}/x`)).rejects.toMatchObject(denied)
    const related = filesOf(job, {}, [otherJob])
    await expect(related.upload('x', `s3://ours/jobs/${otherJob}/x`)).rejects.toMatchObject(denied)
    await expect(files.download('https://example.org/x')).rejects.toMatchObject({ code: 'INVALID_KEY' })
  })

  it('of buckets and beginnings that are allowed can be used', async () => {
    const theirs = await makeLocalStore()
    await theirs.store.put('in/x', 'theirs')
    await under.store.put('datasets/y', 'shared')
    const more = { otherBuckets: { theirs: theirs.store }, sharedPrefixes: ['datasets/'] }
    const allowed = filesOf(job, more)
    expect(await allowed.readText('s3://theirs/in/x')).toBe('theirs')
    expect(await allowed.readText('s3://ours/datasets/y')).toBe('shared')
    await allowed.writeText('z', 'z')
    expect(await allowed.upload('z', 's3://theirs/out/')).toBe('s3://theirs/out/z')
    expect(await theirs.store.head('out/z')).toMatchObject({ size: 1 })
    await theirs.close()
  })

  it.each([
    '../x',
    '/etc/passwd',
    'a/../../x',
    './x',
    '',
    'a\0b',
    'a\\b',
    'a//b',
    'x'.repeat(256),
    'exe\u202etxt',
    '\ud800',
  ])('named %j are refused by everything', async (name) => {
    const invalid = { code: 'INVALID_KEY' }
    await expect(files.path(name)).rejects.toMatchObject(invalid)
    await expect(files.download(name)).rejects.toMatchObject(invalid)
    await expect(files.download('x', name)).rejects.toMatchObject(invalid)
    await expect(files.upload(name)).rejects.toMatchObject(invalid)
    await expect(files.writeText(name, 'x')).rejects.toMatchObject(invalid)
    await expect(files.readText(name)).rejects.toMatchObject(invalid)
  })

  it('are not of a job whose id leads elsewhere', () => {
    for (const id of ['..', '.', '', 'a/b', '.partial', 'a\0']) expect(() => filesOf(id)).toThrow('is no id of a job')
  })

  it('follow no symbolic link, to read or to write', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'tutti-outside-'))
    await writeFile(join(outside, 'secret'), 'secret')
    const inside = await files.path('x')
    await symlink(outside, join(inside, '..', 'link'))
    await symlink(join(outside, 'secret'), join(inside, '..', 'file'))
    await mkdir(join(inside, '..', 'folder'))
    await symlink(join(outside, 'secret'), join(inside, '..', 'folder', 'within'))
    const invalid = { code: 'INVALID_KEY' }
    for (const name of ['link/secret', 'file', 'folder'])
      await expect(files.upload(name)).rejects.toMatchObject(invalid)
    for (const name of ['link/new', 'file']) await expect(files.writeText(name, 'x')).rejects.toMatchObject(invalid)
    expect(await readdir(outside)).toEqual(['secret'])
    expect(await read(join(outside, 'secret'))).toBe('secret')
    await rm(outside, { recursive: true })
  })

  it('lie where nobody else may look', async () => {
    const path = await files.writeText('a/b', 'x')
    expect((await stat(join(dir, job))).mode & 0o777).toBe(0o700)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('that are damaged never take their place, and leave nothing half', async () => {
    await files.writeText('x', 'what was written')
    await files.upload('x')
    await files.cleanup({ remote: false })
    // The layout of the local store writes names after a letter; its own tests damage deeper keys.
    await under.store.put('damaged', 'what was written')
    await under.tamper('damaged')
    const shared = filesOf(job, { sharedPrefixes: ['damaged'] })
    await expect(shared.download('s3://ours/damaged', 'y')).rejects.toMatchObject({ code: 'CORRUPT' })
    expect(operations.at(-1)).toMatchObject({ operation: 'download', error: 'CORRUPT' })
    await expect(stat(join(dir, job, 'y'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await readdir(join(dir, '.partial'))).toEqual([])
  })

  it('are cleaned up, the uploaded ones only when asked', async () => {
    await files.writeJson('x', 1)
    await files.cleanup({ remote: false })
    expect([await readdir(dir), (await files.list()).length]).toEqual([['.partial'], 1])
    await files.cleanup({ remote: true })
    expect(await files.list()).toEqual([])
  })

  it('are swept when their job is over and its grace with it; a job that goes on keeps them for its retries', async () => {
    const ids = ['running', 'just-ended', 'long-ended', 'unknown-new', 'unknown-old']
    for (const id of ids) await filesOf(id).writeJson('x', 1)
    const now = Date.now()
    const ends: Record<string, number | null> = { running: null, 'just-ended': now - 1, 'long-ended': now - 10_000 }
    const old = new Date(now - 25 * 3_600_000)
    await utimes(join(dir, 'unknown-old'), old, old)
    const request = {
      dir,
      objects: under.store,
      endedAt: async (asked: string[]) => asked.map((id) => ends[id]),
      now,
      remote: true,
      remoteGraceMs: 5_000,
    }
    expect((await sweepTaskFiles(request)).sort()).toEqual(['just-ended', 'long-ended', 'unknown-old'])
    expect((await readdir(dir)).sort()).toEqual(['.partial', 'running', 'unknown-new'])
    const left = async () => (await under.store.list('jobs/')).objects.map(({ key }) => key.split('/')[1])
    expect(await left()).toEqual(['just-ended', 'running', 'unknown-new', 'unknown-old'])
    await sweepTaskFiles({ ...request, now: now + 26 * 3_600_000, remote: false })
    expect(await left()).toHaveLength(4)
    await sweepTaskFiles({ ...request, now: now + 26 * 3_600_000 })
    expect(await left()).toEqual(['running'])
  })
})
