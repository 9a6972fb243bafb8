/** Executor managers that are killed, or stopped and woken again too late, at every station of a run. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { descendants } from './processes.ts'
import { bash, type Gate, type ManagerProcess, script, startWorkbench, type Workbench } from './workbench.ts'

let workbench: Workbench
beforeAll(async () => {
  workbench = await startWorkbench()
})
afterAll(() => workbench.close())

interface RunView {
  status: string
  attempts: number
  claimed_by: string
  usage: unknown
}
interface Message {
  id: number
  role: string
  text_preview: string | null
}

const runOf = (id: string): Promise<RunView> => workbench.get<RunView>(`/runs/${id}`)
const completed = (id: string): Promise<RunView> =>
  workbench.until(async () => {
    const run = await runOf(id)
    if (run.status === 'failed' || run.status === 'canceled') expect.fail(JSON.stringify(run))
    return run.status === 'completed' && run
  })
const messagesOf = (session: string): Promise<Message[]> => workbench.get(`/sessions/${session}/messages`)

/** What every run must leave behind, whatever happened on its way: one end, one user message, and a log without gaps. */
const checkLog = async (session: string): Promise<void> => {
  const { items } = await workbench.get<{ items: { seq: number; type: string; data: { run_status?: string } }[] }>(
    `/sessions/${session}/events`,
  )
  expect(items.map(({ seq }) => seq)).toEqual(items.map((_, at) => at + 1))
  const ends = items.filter(({ type, data }) => type === 'session.status' && data.run_status === 'completed')
  expect(ends).toHaveLength(1)
  const messages = await messagesOf(session)
  expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length)
  const logged = items.filter(({ type }) => type === 'message.new')
  expect(logged).toHaveLength(messages.length)
}

const isCall = (path: string, action: string): boolean => path.endsWith(`/${action}`)

/** Resolves when the gate has seen it; from then on nothing of this kind passes. */
const holding = (what: Parameters<Gate>[0] extends infer Step ? (step: Step) => boolean : never) => {
  const seen = Promise.withResolvers<void>()
  const gate: Gate = (step) => {
    if (!what(step)) return 'pass'
    seen.resolve()
    return 'hold'
  }
  return { gate, seen: seen.promise }
}

const filesIn = (folder: string): number => {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length
  } catch {
    return 0
  }
}

const work = script([
  bash('echo made >> made.txt; for i in $(seq 200); do head -c 20000 /dev/urandom > big-$i.bin; done'),
  { say: 'all is done' },
])

/** So many that there is time to be killed in the middle of placing them. */
const manyFiles = (): object => {
  const folder = join(workbench.folders, 'many')
  mkdirSync(folder)
  for (let n = 0; n < 3000; n++) writeFileSync(join(folder, `${n}.txt`), `${n}`)
  return { workspace: { folder: { host_path: folder, path: 'given' } } }
}

const hazards: [
  name: string,
  at: (session: { run_id: string; session_id: string }, manager: ManagerProcess) => Promise<void>,
  gate?: () => ReturnType<typeof holding>,
][] = [
  [
    'after-the-claim',
    async () => {},
    () =>
      holding(({ path, answer }) => path.endsWith('/claim') && answer !== undefined && !answer.includes('"data":null')),
  ],
  [
    'while-staging',
    async ({ session_id }, { workspaceRoot }) => {
      const folder = join(workspaceRoot, 'active', 'default', session_id, 'workspace')
      await workbench.until(async () => filesIn(folder) > 20)
    },
  ],
  ['when-the-sandbox-is-up', async () => {}, () => holding(({ path }) => isCall(path, 'start'))],
  [
    'while-a-tool-runs',
    async ({ run_id, session_id }) => {
      await workbench.until(async () => {
        const tools = await workbench.get<unknown[]>(`/sessions/${session_id}/tool-executions`)
        return tools.length > 0 && (await runOf(run_id)).status === 'running'
      })
    },
  ],
  [
    'while-exporting',
    async ({ run_id }) => {
      const before = filesIn(workbench.objects)
      await workbench.until(async () => {
        expect((await runOf(run_id)).status).not.toBe('completed')
        return filesIn(workbench.objects) > before + 5
      })
    },
  ],
  ['after-the-export-and-before-the-end-is-told', async () => {}, () => holding(({ path }) => isCall(path, 'finish'))],
  [
    'after-the-end-is-told-and-before-its-answer',
    async () => {},
    () => holding(({ path, answer }) => isCall(path, 'finish') && answer !== undefined),
  ],
]

for (const [name, at, makeGate] of hazards)
  test(`manager-killed-${name}-and-another-one-ends-the-run-once`, { timeout: 150_000 }, async () => {
    const held = makeGate?.()
    const first = await workbench.manager(`${name}-1`, held?.gate)
    const session = await workbench.send(work, { config: name === 'while-staging' ? manyFiles() : {} })
    await (held?.seen ?? at(session, first))
    await first.kill()
    const second = await workbench.manager(`${name}-2`)
    try {
      const run = await completed(session.run_id)
      if (name.startsWith('after-the-end-is-told')) expect(run.attempts).toBe(1)
      else expect(run).toMatchObject({ attempts: 2, claimed_by: `${name}-2` })
      await checkLog(session.session_id)
      const said = (await messagesOf(session.session_id)).filter(
        ({ role, text_preview }) => role === 'assistant' && text_preview === 'all is done',
      )
      // An attempt that had said it before its manager died has said it; nobody has said it twice in one attempt.
      expect(said.length).toBeLessThanOrEqual(run.attempts)
      expect(said.length).toBeGreaterThan(0)
      const files = await workbench.get<{ path: string }[]>(`/sessions/${session.session_id}/workspace/files`)
      expect(files.map(({ path }) => path)).toContain('/made.txt')
    } finally {
      await second.kill()
    }
  })

test('manager-that-slept-through-its-lease-writes-nothing-when-it-wakes', { timeout: 150_000 }, async () => {
  const first = await workbench.manager('sleeper')
  const pid = first.child.pid ?? 0
  // Long enough to be stopped in the middle; a number of its own, to be found among the processes of this host.
  const seconds = `12.${process.pid}`
  const session = await workbench.send(
    script([bash(`hostname >> here.txt; sleep ${seconds}; wc -l < here.txt`), { say_last_result: true }]),
  )
  await workbench.until(async () => (await descendants(pid, seconds)).length > 0)
  first.child.kill('SIGSTOP')
  const second = await workbench.manager('successor')
  const done = await completed(session.run_id)
  const told = await workbench.get<{ items: { type: string }[] }>(`/sessions/${session.session_id}/events`)
  const attempts = JSON.stringify(told.items.filter(({ type }) => type === 'run.attempt'))
  expect(done, attempts).toMatchObject({ attempts: 2, claimed_by: 'successor' })
  // Meanwhile the first one's turn is over, too: its sandbox stands there with its result, and nobody who takes it.
  await workbench.until(async () => (await descendants(pid, seconds)).length === 0)
  expect((await descendants(pid, executor)).length).toBeGreaterThan(0)
  const seen = async () => ({
    run: await runOf(session.run_id),
    messages: await messagesOf(session.session_id),
    tools: await workbench.get(`/sessions/${session.session_id}/tool-executions`),
    files: (await workbench.get<{ url: string }[]>(`/sessions/${session.session_id}/workspace/files`)).map(
      ({ url: _, ...file }) => file,
    ),
    objects: filesIn(workbench.objects),
    log: await workbench.get(`/sessions/${session.session_id}/events`),
  })
  const before = await seen()

  await second.kill()
  first.child.kill('SIGCONT')
  await workbench.until(async () => (await descendants(pid, executor)).length === 0)
  expect(await seen()).toEqual(before)
  await checkLog(session.session_id)
  // It lives, and is of use: it takes the next run that comes.
  const next = await workbench.send(script([{ say: 'hello again' }]))
  expect(await completed(next.run_id)).toMatchObject({ claimed_by: 'sleeper', attempts: 1 })
  expect(await runOf(session.run_id)).toEqual(before.run)
  await first.kill()
})

/** What runs in every sandbox, and nowhere else below a manager. */
const executor = '/opt/tutti/apps/executor'
