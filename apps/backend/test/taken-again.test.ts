/** Turns taken again: with which files and which memory they begin. */
import type { ClaimedRun, FileNode, PrivateManifest, RunView, WorkspaceManifest } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endWithFiles, type Files, filesIn } from './support/snapshot.ts'
import { claimNew, createStage, holder, type Running, type Stage } from './support/stage.ts'

let stage: Stage
let backend: Running

beforeAll(async () => {
  stage = await createStage()
  backend = await stage.backend()
})
afterAll(() => stage.close())

const memory = '.tutti/claude/projects/-workspace/s.jsonl'
const end = (run: ClaimedRun, shown: Files, hidden?: Files) => endWithFiles(stage, backend, run, shown, hidden)
const claim = async (): Promise<ClaimedRun> => {
  const asked = { worker_id: 'manager-1', boot_id: 'boot-1', lease_seconds: 60, wait_seconds: 20 }
  return (await backend.manage('/claim', asked)).body.data as unknown as ClaimedRun
}
const nextRun = async (sessionId: string): Promise<ClaimedRun> => {
  await backend.post('/api/v1/tasks', { prompt: 'go on', session_id: sessionId })
  return claim()
}
const fail = (run: ClaimedRun) =>
  backend.manage(`/${run.run_id}/finish`, {
    ...holder(run),
    ...{ outcome: 'failed', error: { code: 'SANDBOX_ENDED', message: 'gone', retryable: false } },
  })
const text = async (key: string): Promise<string> => (await (await stage.objects.get(key)).stream.toArray()).join('')
const json = async (key: string) => JSON.parse(await text(key))
const pathsOf = async (path: string) =>
  filesIn((await backend.get(path)).body.data as FileNode[]).map((file) => file.path.slice(1))

/** What a run begins with: its files, and what its agent remembers. */
const beginning = async (run: ClaimedRun) => {
  const { files, private_key }: WorkspaceManifest = await json(run.snapshot_key ?? '')
  const hidden: PrivateManifest = await json(private_key)
  const contents = async (all: { path: string; key: string }[]) =>
    Object.fromEntries(await Promise.all(all.map(async ({ path, key }) => [path, await text(key)])))
  return { files: await contents(files), hidden: await contents(hidden.files) }
}

/** Has the turn taken again, with other words, and claims it. */
const again = async (run: ClaimedRun): Promise<ClaimedRun> => {
  const { user_message_id } = (await backend.get(`/api/v1/runs/${run.run_id}`)).body.data as Record<string, unknown>
  const path = `/api/v1/sessions/${run.session_id}/edit-message`
  const { status, body } = await backend.post(path, { user_message_id, content: 'otherwise' })
  if (status !== 200) throw new Error(JSON.stringify(body))
  return claim()
}
const rewind = async (to: ClaimedRun): Promise<void> => {
  const { status } = await backend.post(`/api/v1/sessions/${to.session_id}/rewind`, { run_id: to.run_id })
  expect(status).toBe(200)
}

/** Two turns that have ended: each left its number in a file, and remembers all until then. */
const twoTurns = async (): Promise<[ClaimedRun, ClaimedRun]> => {
  const first = await claimNew(backend)
  await end(first, { 'a.txt': '1' }, { '.env': '1', [memory]: 'first' })
  const second = await nextRun(first.session_id)
  await end(second, { 'a.txt': '2', 'new.txt': 'n' }, { '.env': '2', [memory]: 'first, second' })
  return [first, second]
}

test('a-turn-that-is-taken-back-takes-its-files-out-of-the-list', async () => {
  const first = await claimNew(backend)
  await end(first, { 'a.txt': '1', 'b.txt': 'b' })
  const second = await nextRun(first.session_id)
  await end(second, { 'a.txt': '2', 'wrong.txt': 'w' })
  const session = `/api/v1/sessions/${first.session_id}`
  const repeated = await again(second)
  expect(await pathsOf(`${session}/workspace/files`)).toEqual(['a.txt', 'b.txt'])
  expect((await beginning(repeated)).files).toEqual({ 'a.txt': '1', 'b.txt': 'b' })
  await end(repeated, { 'a.txt': '3' })
})

test('a turn behind one that left nothing goes back to the newest snapshot before both', async () => {
  const first = await claimNew(backend)
  const key = await end(first, { 'a.txt': '1' })
  const second = await nextRun(first.session_id)
  await fail(second)
  const third = await nextRun(first.session_id)
  await end(third, { 'a.txt': '3', 'wrong.txt': 'w' })
  const session = `/api/v1/sessions/${first.session_id}`
  const repeated = await again(third)
  expect(await pathsOf(`${session}/workspace/files`)).toEqual(['a.txt'])
  expect(repeated.snapshot_key).toBe(key)
  await end(repeated, { 'a.txt': '4' })
})

test('a turn that began with rewound files is taken again with them, and not with those of the run before it', async () => {
  const [first, second] = await twoTurns()
  await rewind(first)
  const third = await nextRun(second.session_id)
  const begun = { files: { 'a.txt': '1' }, hidden: { '.env': '1', [memory]: 'first, second' } }
  expect(await beginning(third)).toEqual(begun)
  await end(third, { 'a.txt': '3' }, { [memory]: 'first, second, third' })
  const repeated = await again(third)
  expect(await beginning(repeated)).toEqual(begun)
  // Also where it stored nothing of its own, and where the copy of the turn in a branch is taken again.
  await fail(repeated)
  const last = await again(repeated)
  expect(await beginning(last)).toEqual(begun)
  await end(last, { 'a.txt': '4' }, { [memory]: 'first, second, fourth' })
  const { user_message_id } = (await backend.get(`/api/v1/runs/${last.run_id}`)).body.data as Record<string, unknown>
  const branched = await backend.post(`/api/v1/sessions/${last.session_id}/branch`, { message_id: user_message_id })
  const { session_id } = branched.body.data as { session_id: string }
  const runs = (await backend.get(`/api/v1/runs/session/${session_id}`)).body.data as unknown as RunView[]
  const [copy] = runs.toSorted((a, b) => b.user_message_id - a.user_message_id)
  const ofCopy = await again({ ...last, session_id, run_id: copy?.run_id ?? '' })
  expect(await beginning(ofCopy)).toEqual(begun)
  await end(ofCopy, {})
})

test('files that were rewound after a turn stay when it is taken again; what its agent remembers goes back', async () => {
  const [first, second] = await twoTurns()
  await rewind(first)
  const repeated = await again(second)
  expect(await beginning(repeated)).toEqual({ files: { 'a.txt': '1' }, hidden: { '.env': '1', [memory]: 'first' } })
  await end(repeated, { 'a.txt': '2' }, { [memory]: 'first, other' })

  const third = await nextRun(second.session_id)
  await end(third, { 'a.txt': '3' }, { '.env': '3', [memory]: 'first, other, third' })
  await rewind(third)
  const other = await again(third)
  expect(await beginning(other)).toEqual({
    ...{ files: { 'a.txt': '3' }, hidden: { '.env': '3', [memory]: 'first, other' } },
  })
  await end(other, { 'a.txt': '4' })
})

test('the first turn, taken again after a rewind: the rewound files, and no memory of what is taken back', async () => {
  const [first, second] = await twoTurns()
  await rewind(second)
  await rewind(first)
  const repeated = await again(first)
  expect(await beginning(repeated)).toEqual({ files: { 'a.txt': '1' }, hidden: { '.env': '1' } })
  expect(repeated.sdk_session_id).toBeNull()
  expect(await pathsOf(`/api/v1/sessions/${first.session_id}/workspace/files`)).toEqual(['a.txt'])
  await end(repeated, {})
})

test('a rewind before a turn that is taken back is taken back with it', async () => {
  const [first, second] = await twoTurns()
  await rewind(first)
  await end(await nextRun(second.session_id), { 'a.txt': '3' }, { [memory]: 'first, second, third' })
  const repeated = await again(second)
  expect(await beginning(repeated)).toEqual({ files: { 'a.txt': '1' }, hidden: { '.env': '1', [memory]: 'first' } })
  await end(repeated, {})
})

test('a turn that was cancelled before anybody began it is taken again with the rewound files and the whole memory', async () => {
  const [first, second] = await twoTurns()
  await rewind(first)
  const at = new Date(Date.now() + 3_600_000).toISOString()
  const task = { prompt: 'later', session_id: first.session_id, schedule_mode: 'scheduled', scheduled_at: at }
  const { run_id } = (await backend.post('/api/v1/tasks', task)).body.data as { run_id: string }
  expect((await backend.post(`/api/v1/sessions/${first.session_id}/cancel`, {})).status).toBe(200)
  const repeated = await again({ ...second, run_id })
  expect(await beginning(repeated)).toEqual({
    ...{ files: { 'a.txt': '1' }, hidden: { '.env': '1', [memory]: 'first, second' } },
  })
  await end(repeated, {})
})
