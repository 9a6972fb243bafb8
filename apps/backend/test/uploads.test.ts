import { once } from 'node:events'
import { connect } from 'node:net'
import type { ClaimedRun, InputFile } from '@tutti/contracts'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { claimNew, createStage, holder, type Running, type Stage, upload } from './support/stage.ts'

let stage: Stage
let backend: Running
let stranger: Running
/** Called before each write to the disk. */
let onWrite = async (): Promise<void> => {}

beforeAll(async () => {
  stage = await createStage({
    writeBytes: async (handle, bytes) => {
      await onWrite()
      await handle.write(bytes)
    },
  })
  backend = await stage.backend({ maxUploadBytes: 20_000_000 })
  stranger = await stage.backend({ userId: 'stranger' })
})
beforeEach(() => {
  onWrite = async () => {}
})
afterAll(() => stage.close())

const uploaded = async (name = 'a.txt', content = 'text', by = backend): Promise<InputFile> => {
  const answer = await upload(by, name, content)
  if (answer.status !== 200) throw new Error(JSON.stringify(answer))
  return answer.body.data as InputFile
}
const rows = async () => (await stage.database.query<{ key: string }>('select key from workbench.uploads')).length
const stored = async () => (await stage.objects.list('attachments/')).objects.map(({ key }) => key)
const claim = async (): Promise<ClaimedRun> => {
  const asked = { worker_id: 'manager-1', boot_id: 'boot-1', lease_seconds: 60, wait_seconds: 20 }
  return (await backend.manage('/claim', asked)).body.data as unknown as ClaimedRun
}
const finish = (run: ClaimedRun) => backend.manage(`/${run.run_id}/finish`, { ...holder(run), outcome: 'completed' })
const fetched = async (url: string): Promise<Response> => {
  const { pathname, search } = new URL(url)
  return fetch(backend.address + pathname + search)
}

/** What a run is given beside the texts that every one gets. */
const inputsOf = ({ staging }: ClaimedRun) => staging.files.filter(({ path }) => path.startsWith('inputs/'))

test('an-upload-goes-with-a-message-to-the-run, and is shown beside the message', async () => {
  const answer = await upload(backend, '../../Überblick\u202e 日本.csv', 'a;b\n', 'text/csv')
  expect(answer).toMatchObject({
    status: 200,
    body: { data: { type: 'file', name: 'Überblick 日本.csv', size: 4, content_type: 'text/csv', path: null } },
  })
  const file = answer.body.data as InputFile
  expect(file.source).toMatch(/^attachments\/default\/[0-9a-f-]{36}\/Überblick 日本\.csv$/)
  const { session_id } = (await backend.post('/api/v1/tasks', { prompt: 'read', config: { input_files: [file] } })).body
    .data as Record<string, unknown>
  const run = await claim()
  expect(inputsOf(run)).toEqual([{ path: 'inputs/Überblick 日本.csv', key: file.source, size: 4, sha256: null }])
  for (const list of ['message-attachments', 'messages-with-files']) {
    const { data } = (await backend.get(`/api/v1/sessions/${session_id}/${list}`)).body
    const [{ attachments }] = data as [{ attachments: [{ url: string }] }]
    const got = await fetched(attachments[0].url)
    expect([await got.text(), got.headers.get('content-type')]).toEqual(['a;b\n', 'text/csv'])
  }
  await finish(run)
})

test('html-that-was-uploaded-can-never-act-for-its-reader', async () => {
  const file = (await upload(backend, 'x.html', '<script>fetch("/api/v1/sessions")</script>', 'text/html')).body
    .data as InputFile
  const { headers } = await fetched(await stage.objects.presignGet(file.source, { expiresSeconds: 60 }))
  expect(headers.get('content-disposition')).toMatch(/^attachment/)
  expect(headers.get('content-security-policy')).toBe("default-src 'none'; sandbox")
  expect(headers.get('x-content-type-options')).toBe('nosniff')
})

test('a-file-above-the-limit-is-refused, announced or not, and leaves nothing', async () => {
  const before = [await rows(), await stored()]
  const small = await stage.backend({ maxUploadBytes: 100_000 })
  const refusal = { status: 413, body: { data: { code: 'PAYLOAD_TOO_LARGE', path: 'body.file' } } }
  expect(await upload(small, 'big.bin', Buffer.alloc(500_000))).toMatchObject(refusal)
  // Within what a form may have around it, so it is counted only while it comes.
  expect(await upload(small, 'big.bin', Buffer.alloc(100_001))).toMatchObject(refusal)
  expect(await upload(small, 'fits.bin', Buffer.alloc(100_000))).toMatchObject({ status: 200 })
  expect(await rows()).toBe(Number(before[0]) + 1)
  expect(await stored()).toHaveLength((before[1] as string[]).length + 1)
})

/** A form that its sender has not written to its end. */
const beginForm = (bytes: number) => {
  const socket = connect(Number(new URL(backend.address).port), '127.0.0.1')
  socket.on('error', () => {})
  const head = '--b\r\ncontent-disposition: form-data; name="file"; filename="half.bin"\r\n\r\n'
  socket.write(
    `POST /api/v1/attachments/upload HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: multipart/form-data; boundary=b\r\n` +
      `content-length: ${head.length + bytes + 9}\r\n\r\n${head}`,
  )
  return socket
}

test('a-sender-that-goes-midway-leaves-nothing', async () => {
  const before = [await rows(), await stored()]
  const writing = Promise.withResolvers<void>()
  onWrite = async () => writing.resolve()
  const socket = beginForm(10_000_000)
  socket.write(Buffer.alloc(1_000_000))
  await writing.promise
  expect(await rows()).toBe(Number(before[0]) + 1)
  socket.destroy()
  await vi.waitFor(async () => expect([await rows(), await stored()]).toEqual(before), { timeout: 10_000 })
})

test('a-file-is-on-its-way-to-the-storage-before-all-of-it-has-come', async () => {
  const body = Buffer.alloc(19_000_000)
  const first = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  onWrite = () => {
    first.resolve()
    return go.promise
  }
  const socket = beginForm(body.length)
  socket.write(body)
  socket.write('\r\n--b--\r\n')
  await first.promise
  // Whoever gathers it in memory has read it all by now.
  expect(socket.writableLength).toBeGreaterThan(5_000_000)
  go.resolve()
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toContain('"size":19000000')
  socket.destroy()
})

test('what-is-no-form-with-one-file-is-refused, and leaves nothing', async () => {
  const before = [await rows(), await stored()]
  const send = async (body: FormData | string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${backend.address}/api/v1/attachments/upload`, { method: 'POST', body, headers })
    return { status: response.status, body: await response.json() }
  }
  const form = (...names: string[]) => {
    const made = new FormData()
    for (const name of names) made.append(name, new Blob(['x']), 'a.txt')
    return made
  }
  const refused = { status: 400, body: { data: { code: 'INVALID_BODY', path: 'body.file' } } }
  expect(await send('{}', { 'content-type': 'application/json' })).toMatchObject(refused)
  expect(await send(form())).toMatchObject(refused)
  expect(await send(form('other'))).toMatchObject(refused)
  expect(await send(form('file', 'file'))).toMatchObject(refused)
  const many = new FormData()
  for (let at = 0; at < 50; at += 1) many.append(`f${at}`, 'x')
  expect((await send(many)).status).toBe(400)
  expect([await rows(), await stored()]).toEqual(before)
})

test('a-message-names-ones-own-uploads-only, once for each place, also where it waits', async () => {
  const [own, twin] = [await uploaded('own.txt'), await uploaded('own.txt')]
  const theirs = await uploaded('theirs.txt', 'secret', stranger)
  const foreign = (path: string) => ({ status: 400, body: { data: { code: 'INVALID_BODY', path } } })
  const send = (files: object[], more = {}) =>
    backend.post('/api/v1/tasks', { prompt: 'x', config: { input_files: files }, ...more })
  expect(await send([own, theirs])).toMatchObject(foreign('body.config.input_files[1].source'))
  // Of the right form, and never uploaded.
  const invented = { ...own, source: own.source.replace(/own\.txt$/, 'other.txt') }
  expect(await send([invented])).toMatchObject(foreign('body.config.input_files[0].source'))
  expect(await send([own, twin])).toMatchObject(foreign('body.config.input_files[1].path'))

  const run = await claimNew(backend)
  const waiting = await send([], { session_id: run.session_id })
  const { queue_item_id } = waiting.body.data as Record<string, unknown>
  const item = `/api/v1/sessions/${run.session_id}/queued-queries/${queue_item_id}`
  expect(await backend.send('PATCH', item, { attachments: [theirs] })).toMatchObject(
    foreign('body.attachments[0].source'),
  )
  const patched = await backend.send('PATCH', item, { attachments: [own, { ...twin, path: 'inputs/second.txt' }] })
  expect(patched).toMatchObject({ status: 200, body: { data: { attachments: [{ source: own.source }, {}] } } })
  await finish(run)
  const next = await claim()
  expect(inputsOf(next).map(({ path }) => path)).toEqual(['inputs/own.txt', 'inputs/second.txt'])
  await finish(next)
})

test('files-of-a-project-are-given-to-its-runs, and no object of somebody else goes with them', async () => {
  const { project_id } = (await backend.post('/api/v1/projects', { name: 'p' })).body.data as Record<string, unknown>
  const files = `/api/v1/projects/${project_id}/files`
  const [rules, data] = [await uploaded('rules.md', 'be kind'), await uploaded('data.csv', '1')]
  const theirs = await uploaded('theirs.txt', 'secret', stranger)
  const add = (file: InputFile, file_name = file.name) =>
    backend.post(files, { file_name, file_source: file.source, file_size: 1, file_content_type: 'x/y' })
  expect(await add(theirs)).toMatchObject({ status: 400, body: { data: { path: 'body.file_source' } } })
  expect(await add(rules)).toMatchObject({
    status: 200,
    body: { data: { file_size: 7, file_content_type: 'text/plain', sort_order: 1 } },
  })
  expect(await add(data, 'rules.md')).toMatchObject({ status: 400, body: { data: { path: 'body.file_name' } } })
  expect((await add(data)).status).toBe(200)
  expect((await add(data)).status).toBe(200)
  expect((await backend.get(files)).body.data).toMatchObject([{ file_name: 'rules.md' }, { file_name: 'data.csv' }])
  for (const path of [files, files.replace(String(project_id), crypto.randomUUID())])
    expect(await stranger.get(path)).toMatchObject({ status: 404, body: { data: { code: 'PROJECT_NOT_FOUND' } } })

  // The message's own file of that name counts.
  const newer = await uploaded('data.csv', '2')
  await backend.post('/api/v1/tasks', { prompt: 'x', project_id, config: { input_files: [newer] } })
  const run = await claim()
  expect(inputsOf(run)).toEqual([
    { path: 'inputs/rules.md', key: rules.source, size: 7, sha256: null },
    { path: 'inputs/data.csv', key: newer.source, size: 1, sha256: null },
  ])
  await finish(run)

  const [first] = (await backend.get(files)).body.data as { id: number }[]
  expect((await stranger.send('DELETE', `${files}/${first?.id}`, {})).status).toBe(404)
  expect((await backend.send('DELETE', `${files}/${first?.id}`, {})).status).toBe(200)
  expect((await backend.send('DELETE', `${files}/${first?.id}`, {})).status).toBe(404)
  expect(await stored()).toEqual(expect.arrayContaining([rules.source, theirs.source]))
})

const age = () => stage.database.query(`update workbench.uploads set idle_since = now() - interval '25 hours'`)

test('uploads-that-nothing-names-go-after-a-day, and the others stay', async () => {
  const { project_id } = (await backend.post('/api/v1/projects', { name: 'p' })).body.data as Record<string, unknown>
  const files = `/api/v1/projects/${project_id}/files`
  const [idle, said, given, dropped] = [await uploaded(), await uploaded(), await uploaded('g'), await uploaded('d')]
  await backend.post('/api/v1/tasks', { prompt: 'x', config: { input_files: [said] } })
  await finish(await claim())
  const later = await uploaded('l')
  const task = { name: 'l', cron: '0 0 1 1 *', prompt: 'x', config: { input_files: [later] } }
  expect((await backend.post('/api/v1/scheduled-tasks', task)).status).toBe(200)
  const ids: number[] = []
  for (const file of [given, dropped]) {
    const added = await backend.post(files, { file_name: file.name, file_source: file.source })
    ids.push((added.body.data as { id: number }).id)
  }
  // Left by a process that died while it was being stored.
  await stage.objects.put('attachments/default/half/x', 'half')
  await stage.database.query(
    `insert into workbench.uploads (key, user_id, name, content_type) values ('attachments/default/half/x', 'default', 'x', 'x/y')`,
  )
  await age()
  const young = await uploaded()
  await backend.send('DELETE', `${files}/${ids[1]}`, {})
  await backend.workbench.sweepUploads()
  const keys = await stored()
  for (const file of [said, later, given, dropped, young]) expect(keys).toContain(file.source)
  expect(keys).not.toContain(idle.source)
  expect(keys).not.toContain('attachments/default/half/x')
  await age()
  await backend.workbench.sweepUploads()
  expect(await stored()).not.toContain(dropped.source)
  expect(await stored()).toEqual(expect.arrayContaining([said.source, later.source, given.source]))
})

test('an-upload-that-is-named-while-it-is-swept-is-kept-or-refused, and never lost', async () => {
  const file = await uploaded('late.txt')
  await age()
  const task = { prompt: 'x', config: { input_files: [file] } }
  // Named first: the sweeper leaves it alone, though the message is not committed yet.
  await stage.database.transaction(async (tx) => {
    await tx.query('update workbench.uploads set in_message = true where key = $1', [file.source])
    await stranger.workbench.sweepUploads()
  })
  expect(await stored()).toContain(file.source)

  // Swept first: the message waits for the sweeper, and is told.
  await stage.database.query('update workbench.uploads set in_message = false where key = $1', [file.source])
  const { delete: remove } = stage.objects
  const deleting = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  stage.objects.delete = async (key) => {
    deleting.resolve()
    await go.promise
    return remove(key)
  }
  try {
    const sweeping = backend.workbench.sweepUploads()
    await deleting.promise
    const named = backend.post('/api/v1/tasks', task)
    await vi.waitFor(async () => {
      const waiting = await stage.database.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%workbench.uploads%'`,
      )
      expect(waiting.length).toBeGreaterThan(0)
    })
    go.resolve()
    await sweeping
    expect(await named).toMatchObject({
      status: 400,
      body: { data: { code: 'INVALID_BODY', path: 'body.config.input_files[0].source' } },
    })
  } finally {
    stage.objects.delete = remove
  }
})
