/** `tutti job …`, `tutti run`, `tutti worker`: against a stack that runs, as a person types them. */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { startOrchestrator } from '@tutti/orchestrator'
import { expect, onTestFinished, test } from 'vitest'
import { type Outcome, processesOf, run, tutti } from './support/processes.ts'
import { folderOf, freshDatabase, importable, scratch } from './support/scratch.ts'
import { type UpStack, up } from './support/stack.ts'

const blueprints = {
  'greeting.ts': `import { blueprint } from ${importable('@tutti/engine')}
export default blueprint({ name: 'greeting', version: 1 })
  .state('greet', { start: true, to: ['review', 'broken'] }, ({ input, dispatch }) =>
    dispatch('greet', { name: input.name }, { on: { success: 'review', failure: 'broken' } }))
  .state('review', { to: ['done', 'broken'] }, ({ approval }) =>
    approval({ message: 'send it?', on: { approved: 'done', rejected: 'broken' } }))
  .end('done', ({ data }) => data)
  .end('broken', { outcome: 'failed' })
`,
}
const worker = `import { defineWorker, skill } from ${importable('@tutti/worker')}
import { z } from ${importable('zod')}
const greet = skill({ params: z.object({ name: z.string() }), run: async ({ name }) => ({ greeting: 'Hello, ' + name }) })
export default defineWorker({ skills: { greet } })
`

interface Person {
  folder: string
  stack: UpStack
  /** Types a command on the machine of the stack. */
  types(...args: string[]): Promise<Outcome>
}

const personWithStack = async (): Promise<Person> => {
  const folder = await scratch()
  const dataDir = join(folder, 'data')
  await folderOf(join(folder, 'blueprints'), blueprints)
  await folderOf(join(folder, 'shared'), { 'README.md': '# Shared\n' })
  const args = ['--blueprints', join(folder, 'blueprints'), '--allow-folder', join(folder, 'shared')]
  const stack = await up(dataDir, args, { DATABASE_URL: await freshDatabase() })
  return { folder, stack, types: (...words) => run(words, { TUTTI_DATA_DIR: dataDir }) }
}

test('a job from the terminal: started, worked on, approved, watched, listed, cancelled', async () => {
  const { folder, stack, types } = await personWithStack()
  const file = join(folder, 'worker.ts')
  await writeFile(file, worker)
  await writeFile(join(folder, 'input.json'), '{"name": "Ada"}')

  const first = await types('job', 'start', 'greeting', '--input', `@${join(folder, 'input.json')}`)
  expect([first.code, first.stderr]).toEqual([0, ''])
  const { job_id } = JSON.parse(first.stdout) as { job_id: string }
  expect((await types('job', 'list')).stdout).toMatch(new RegExp(`^${job_id}  waiting_for_worker +greeting +greet `))

  const watching = tutti(['job', 'watch', job_id], { TUTTI_DATA_DIR: join(folder, 'data') })
  const working = tutti(['worker', file], {
    ORCHESTRATOR_URL: stack.apiUrl,
    WORKER_TOKEN: stack.workerToken,
    WORKER_ID: 'greeter',
  })
  await watching.prints(/approval_requested/)
  expect(await types('job', 'approve', job_id, 'perhaps')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^.*\n→ Use one of the decisions .*\n$/),
  })
  expect((await types('job', 'approve', job_id)).code).toBe(0)
  expect((await watching.ended).code).toBe(0)
  expect(watching.stdout()).toMatch(/^ +1 .*job_created[\s\S]*greeter[\s\S]*job_finished.*\n$/m)
  expect(JSON.parse((await types('job', 'show', job_id)).stdout)).toMatchObject({
    status: 'finished',
    result: { greeting: 'Hello, Ada' },
  })
  const rest = await types('job', 'watch', job_id, '--since', '3')
  expect(rest.stdout).toMatch(/^ +4 /)
  working.kill('SIGTERM')
  expect((await working.ended).code).toBe(0)

  const second = await types('job', 'start', 'greeting', '--input', '{"name":"Bob"}')
  const { job_id: idle } = JSON.parse(second.stdout) as { job_id: string }
  expect((await types('job', 'explain', idle)).stdout).toMatch(
    /^It waits for the task .* of the skill greet, try 1 of \d+\.\ngreet, try 1: .*\n {2}greeter /,
  )
  expect(await types('job', 'cancel', idle)).toMatchObject({ code: 0, stdout: `${idle} cancelled\n` })
  expect(await types('job', 'approve', idle)).toMatchObject({ code: 1, stdout: '' })
  expect((await types('job', 'list', '--limit', '1')).stdout.trim().split('\n')).toHaveLength(1)

  // What was cancelled begins anew; then it is held, let go, forked, and removed.
  const again = await types('job', 'retry', idle, '--json')
  const { job_id: retried } = JSON.parse(again.stdout) as { job_id: string }
  expect(await types('job', 'pause', retried)).toMatchObject({ code: 0, stdout: `${retried} paused\n` })
  expect((await types('job', 'list', '--status', 'paused')).stdout).toMatch(new RegExp(`^${retried}  paused `))
  expect((await types('job', 'resume', retried)).stdout).toBe(`${retried} waiting_for_worker\n`)
  expect((await types('job', 'event', retried, 'noted', '--data', '{"n":1}')).code).toBe(0)
  const fork = await types('job', 'fork', retried, '--state', 'greet', '--input', '{"name":"Eve"}')
  expect(fork.stdout).toMatch(/^[0-9a-f-]{36}\n$/)
  const listed = JSON.parse((await types('job', 'list', '--json', '--blueprint', 'greeting')).stdout)
  expect(listed[0]).toMatchObject({ id: fork.stdout.trim(), input: { name: 'Eve' } })
  expect(await types('job', 'remove', retried)).toMatchObject({ code: 1, stderr: expect.stringContaining('Cancel') })
  await types('job', 'cancel', retried)
  expect(await types('job', 'remove', retried)).toMatchObject({ code: 0, stdout: '' })
  expect(await types('job', 'show', retried)).toMatchObject({ code: 1, stdout: '' })

  const spec = '{"blueprint":"greeting","cron":"30 9 * * mon-fri"}'
  expect((await types('schedule', 'put', 'morning', spec)).stdout).toMatch(/^morning +\S+ +greeting +\d{4}-/)
  expect((await types('schedule', 'next', 'morning', '--count', '3')).stdout.trim().split('\n')).toHaveLength(3)
  expect((await types('schedule', 'pause', 'morning')).stdout).toMatch(/ paused/)
  expect((await types('schedule', 'resume', 'morning')).stdout).not.toMatch(/ paused/)
  expect((await types('schedule', 'trigger', 'morning')).stdout).toMatch(/^[0-9a-f-]{36}\n$/)
  expect(JSON.parse((await types('schedule', 'list', '--json')).stdout)).toMatchObject([
    { name: 'morning', source: 'api' },
  ])
  expect((await types('schedule', 'remove', 'morning')).code).toBe(0)
  expect(await types('schedule', 'show', 'morning')).toMatchObject({ code: 1, stdout: '' })

  expect(await types('job', 'start', 'nothing')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('GET /api/v1/blueprints lists what is loaded'),
  })
  stack.kill('SIGTERM')
  expect((await stack.ended).code).toBe(0)
})

test('an agent from the terminal: streamed to its end, its files fetched; a folder nobody allowed is refused', async () => {
  const { folder, stack, types } = await personWithStack()
  const target = join(folder, 'fetched')
  const allowed = await types('run', 'Look around.', '--folder', join(folder, 'shared'), '--download', target)
  expect([allowed.code, allowed.stderr]).toEqual([0, ''])
  expect(allowed.stdout).toMatch(/session running[\s\S]*session completed[\s\S]*completed · session .* tokens in/)
  expect(allowed.stdout).toMatch(/\d+ files written to/)
  const [, session = ''] = /completed · session (\S+)/.exec(allowed.stdout) ?? []
  const next = await types('run', 'And now?', '--session', session)
  expect([next.code, next.stderr]).toEqual([0, ''])
  expect(next.stdout).toContain(`completed · session ${session}`)

  await mkdir(join(folder, 'private'))
  const refused = await types('run', 'Look around.', '--folder', join(folder, 'private'))
  expect(refused.code).toBe(1)
  expect(refused.stdout).toContain('STAGING_ROOTS')
  expect(refused.stdout + refused.stderr).not.toMatch(/^ +at /m)
  stack.kill('SIGTERM')
  expect((await stack.ended).code).toBe(0)
})

test('a folder of one’s own arrives byte for byte; what is gone on with is told, and a limit by its code', async () => {
  const { folder, stack, types } = await personWithStack()
  const own = await folderOf(join(folder, 'own'), { 'note.txt': 'text' })
  const picture = Buffer.from(Array.from({ length: 70_000 }, (_, at) => (at * 7919) % 256))
  await writeFile(join(own, 'picture.png'), picture)
  const back = join(folder, 'back')
  const done = '```scripted\n[{"say": "Done."}]\n```'
  const sent = await types('run', done, '--upload', own, '--download', back)
  expect([sent.code, sent.stderr]).toEqual([0, ''])
  expect(await readFile(join(back, 'own', 'note.txt'), 'utf8')).toBe('text')
  expect((await readFile(join(back, 'own', 'picture.png'))).equals(picture)).toBe(true)
  expect((await stat(join(back, 'own', 'picture.png'))).mode & 0o111).toBe(0)

  // The conversation that one was in last is not the newest that there is.
  const [, session = ''] = /completed · session (\S+)/.exec(sent.stdout) ?? []
  expect((await types('run', done)).code).toBe(0)
  expect((await types('run', done, '--session', session)).code).toBe(0)
  const next = await types('run', done, '--continue')
  expect([next.code, next.stderr]).toEqual([0, expect.stringMatching(`^going on with session ${session} · `)])

  expect((await types('budget', 'set', '--session', session, '--tokens', '1')).code).toBe(0)
  const refused = await types('run', done, '--session', session)
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/ \(BUDGET_EXCEEDED\)\n→ /)])
  stack.kill('SIGTERM')
  expect((await stack.ended).code).toBe(0)
})

test('--continue goes on with what was begun in the folder that it is typed in, and says so where nothing was', async () => {
  const { folder, stack } = await personWithStack()
  const [one, other, third] = ['one', 'other', 'third'].map((name) => join(folder, name)) as [string, string, string]
  for (const each of [one, other, third]) await mkdir(each)
  const done = '```scripted\n[{"say": "Done."}]\n```'
  const typedIn = async (cwd: string, ...words: string[]): Promise<{ id: string; stderr: string }> => {
    const { code, stdout, stderr } = await run(['run', done, ...words], { TUTTI_DATA_DIR: join(folder, 'data') }, cwd)
    expect([words, code]).toEqual([words, 0])
    return { id: /completed · session (\S+)/.exec(stdout)?.[1] ?? '', stderr }
  }
  const first = await typedIn(one)
  const second = await typedIn(other)
  expect(await typedIn(one, '--continue')).toEqual({
    id: first.id,
    stderr: expect.stringMatching(`^going on with session ${first.id} · [^\n]*\n$`),
  })
  expect((await typedIn(other, '--continue')).id).toBe(second.id)
  // The last of all is not the newest.
  await typedIn(one, '--continue')
  expect(await typedIn(third, '--continue')).toEqual({
    id: first.id,
    stderr: expect.stringMatching(
      `^no session was begun in this folder: this is the last one of all\ngoing on with session ${first.id} · .*, begun in ${hostname()}:${one}\n$`,
    ),
  })
  // To have gone on with it here does not make it one of here.
  expect((await typedIn(third)).id).not.toBe(first.id)
  expect((await typedIn(third, '--continue')).stderr).toMatch(/^going on with/)
  stack.kill('SIGTERM')
  expect((await stack.ended).code).toBe(0)
})

test('a script that ran before runs in the sandbox, in what is fetched, and in what is packed', async () => {
  const { folder, stack, types } = await personWithStack()
  const own = await folderOf(join(folder, 'own'), {
    'greet.sh': '#!/bin/sh\necho "greeted by $(basename "$0")"\n',
    'not-yet.sh': '#!/bin/sh\n',
  })
  // No text, so it takes the other way, over an upload.
  const program = Buffer.from('#!/bin/sh\necho "a program of bytes"\nexit 0\n\0\xff', 'latin1')
  await writeFile(join(own, 'program'), program)
  for (const name of ['greet.sh', 'program']) await chmod(join(own, name), 0o755)
  const back = join(folder, 'back')
  const command = 'own/greet.sh && own/program && chmod +x own/not-yet.sh'
  const said = `\`\`\`scripted\n${JSON.stringify([{ tool: 'Bash', input: { command } }, { say_last_result: true }])}\n\`\`\``
  const sent = await types('run', said, '--upload', own, '--download', back)
  expect([sent.code, sent.stderr]).toEqual([0, ''])
  expect(sent.stdout).toContain('greeted by greet.sh\na program of bytes')

  for (const name of ['greet.sh', 'program', 'not-yet.sh'])
    expect([name, (await stat(join(back, 'own', name))).mode & 0o100]).toEqual([name, 0o100])
  const [, session = ''] = /completed · session (\S+)/.exec(sent.stdout) ?? []
  const headers = { authorization: `Bearer ${stack.clientToken}` }
  const answer = await fetch(`${stack.backendUrl}/api/v1/sessions/${session}/workspace/archive`, { headers })
  const { data } = (await answer.json()) as { data: { url: string } }
  const zip = join(folder, 'archive.zip')
  await writeFile(zip, Buffer.from(await (await fetch(new URL(data.url, stack.backendUrl))).arrayBuffer()))
  const listed = execFileSync('python3', ['-c', listModes, zip]).toString()
  expect(listed.trim().split('\n').sort()).toEqual(
    ['greet.sh', 'not-yet.sh', 'program'].map((name) => `workspace/own/${name} 755`),
  )

  // What the agent has made executable is a change, though not a letter is another.
  const diff = await types('session', 'diff', session, own)
  expect(diff.stdout).toBe('diff --git a/not-yet.sh b/not-yet.sh\nold mode 100644\nnew mode 100755\n')
  expect((await types('session', 'apply', session, own, '--force')).stdout).toBe('~ not-yet.sh\n')
  expect((await stat(join(own, 'not-yet.sh'))).mode & 0o100).toBe(0o100)
  stack.kill('SIGTERM')
  expect((await stack.ended).code).toBe(0)
})

const listModes = `import sys, zipfile
for each in zipfile.ZipFile(sys.argv[1]).infolist(): print(each.filename, format(each.external_attr >> 16 & 0o777, 'o'))`

test('with no stack running, an agent gets one of its own, which ends with it', async () => {
  const folder = await scratch()
  const given = await folderOf(join(folder, 'given'), { 'README.md': '# Given\n' })
  const env = { TUTTI_DATA_DIR: join(folder, 'data') }
  const { code, stdout, stderr } = await run(['run', 'Look around.', '--folder', given], env)
  expect([code, stderr]).toEqual([0, expect.stringContaining('The model is scripted: no AI')])
  expect(stdout).toContain('completed · session')
  expect(processesOf(folder)).toEqual([])

  const interrupted = tutti(['run', 'Look around.', '--folder', given], env)
  await interrupted.prints(/session running/)
  interrupted.kill('SIGINT')
  expect((await interrupted.ended).code).toBe(130)
  expect(processesOf(folder)).toEqual([])
})

test('a worker needs no token where a certificate or each orchestrator’s own says who it is', async () => {
  const own = { ORCHESTRATORS_CONFIG: '[{"url":"http://127.0.0.1:1","token":"t"}]' }
  const { code, stderr } = await run(['worker', 'package.json'], own)
  // It came as far as the file, which is none.
  expect([code, stderr]).toEqual([expect.any(Number), expect.not.stringContaining('WORKER_TOKEN')])
  expect(code).not.toBe(0)
})

test('jobs need an orchestrator only', async () => {
  const { code, stderr } = await run(['job', 'list'], {
    TUTTI_DATA_DIR: join(await scratch(), 'data'),
    TUTTI_API_URL: 'http://127.0.0.1:1',
    TUTTI_CLIENT_TOKEN: 't',
  })
  expect(code).toBe(1)
  expect(stderr).toMatch(/^GET http:\/\/127\.0\.0\.1:1\/api\/v1\/jobs /)
})

test.each<[string[], number, RegExp]>([
  [['job', 'list'], 1, /^no stack runs on .*: start one with npm start, or name an orchestrator with TUTTI_API_URL/],
  [['job', 'start', 'b', '--input', '{"a":'], 2, /^--input can't be read: .*JSON/],
  [['job', 'start', 'b', '--input', '[]'], 2, /^--input is no JSON object/],
  [['job', 'start', 'b', '--input', '@/none/such'], 2, /^--input can't be read: ENOENT/],
  [['schedule', 'put', 'n', '{'], 2, /^spec can't be read: .*JSON/],
  [['job', 'fork', 'x', '--seq', 'last'], 1, /a whole number, 0 or more/],
  [['job', 'list', '--limit', 'all'], 1, /a whole number, 0 or more/],
  [['worker', '/none/such.ts'], 2, /^there is no file \/none\/such\.ts/],
  [['worker', 'package.json'], 2, /^Set WORKER_TOKEN/],
  [['worker'], 2, /^Set WORKER_TOKEN/],
  [['blueprint', 'check', '/none/such'], 2, /^\/none\/such: /],
  [['blueprint', 'register', 'x.ts'], 2, /BLUEPRINTS_DIR/],
  [['blueprint', 'register', '/none/such.json'], 2, /can't be read: ENOENT/],
  [['blueprint', 'retire', 'noted'], 2, /say which version: noted@v1/],
  [['session', 'list'], 1, /^no stack runs on .*: start one with npm start, or name a backend with TUTTI_BACKEND_URL/],
  [['run', 'x', '--folder', 'a', '--upload', 'b'], 2, /leave one out/],
  [['run', 'x', '--continue', '--session', 'last'], 2, /leave one out/],
  [['run', 'x', '--branch', 'b'], 2, /needs --repo/],
  [['run', 'x', '--detach', '--answer', 'yes'], 2, /leave out --download and --answer/],
  [['run', 'x', '--budget-usd', '-1'], 2, /a number above 0/],
  [['budget', 'set', '--tokens', 'many'], 1, /a number above 0/],
  [['config', 'check', 'web'], 2, /there is no server "web"/],
])('%j is refused in one sentence', async (args, code, said) => {
  const outcome = await run(args, { TUTTI_DATA_DIR: join(await scratch(), 'data') })
  expect([outcome.code, outcome.stdout]).toEqual([code, ''])
  expect(outcome.stderr).toMatch(said)
  expect(outcome.stderr).not.toMatch(/^ +at /m)
})

test('blueprints and configuration are checked without starting anything', async () => {
  const folder = await folderOf(await scratch(), blueprints)
  expect(await run(['blueprint', 'check', folder])).toMatchObject({
    code: 0,
    stdout: 'greeting v1: 2 states, 2 ends\n',
  })
  expect((await run(['blueprint', 'graph', folder, 'greeting'])).stdout).toMatch(/^digraph [\s\S]*review/m)
  expect(await run(['blueprint', 'graph', folder, 'nothing'])).toMatchObject({ code: 2, stdout: '' })
  const schedules = await folderOf(await scratch(), {
    'schedules.toml': '[daily]\nblueprint = "greetin"\ndaily_at = "9:00"\n',
  })
  const env = { STORAGE: 'memory', BLUEPRINTS_DIR: folder, WORK_STEALING_ENABLED: 'true' }
  const fine = await run(['config', 'check'], env)
  expect(fine).toMatchObject({ code: 0, stdout: 'no faults\n' })
  expect(fine.stderr).toMatch(/WORK_STEALING_ENABLED has no effect here/)
  const unknown = await run(['config', 'check'], { ...env, SCHEDULES_CONFIG_PATH: join(schedules, 'schedules.toml') })
  // It may have been registered over the API, which only a server knows.
  expect(unknown.code).toBe(0)
  expect(unknown.stderr).toMatch(
    /^warning: .*schedules\.toml:2:1 .*“greetin”.*Did you mean greeting\? If it was registered/m,
  )
  const document = (end: string, version: number) => ({
    format: 'tutti/v1',
    name: 'noted',
    version,
    start: 'a',
    states: { a: { when: [{ if: 'input.n > 1', go_to: end }], go_to: end } },
    ends: { [end]: {} },
  })
  await writeFile(join(folder, 'v1.json'), JSON.stringify(document('old', 1)))
  await writeFile(join(folder, 'v2.json'), JSON.stringify(document('new', 2)))
  expect((await run(['blueprint', 'graph', folder, 'noted@v1'])).stdout).toContain('label="input.n > 1"')
  const files = await run(['blueprint', 'diff', join(folder, 'v1.json'), join(folder, 'v2.json')])
  expect(files.stdout).toMatch(/^noted v1 -> noted v2\n- state old\n\+ state new\n[\s\S]*migrated from: old\n$/)
  const named = await run(['blueprint', 'diff', '--in', folder, 'noted@v1', 'noted', '--json'])
  expect(JSON.parse(named.stdout)).toMatchObject({ migration: { needsState: true, states: ['old'] } })
  expect(await run(['blueprint', 'diff', folder, folder])).toMatchObject({ code: 2, stdout: '' })
  await writeFile(join(folder, 'v2.json'), JSON.stringify({ ...document('new', 2), start: 'b' }))
  const broken = await run(['blueprint', 'check', folder])
  expect(broken.code).toBe(2)
  expect(broken.stderr).toMatch(/v2\.json: start: the start "b" is not one of the states/)
  const faulty = await run(['config', 'check'], { API_PORT: 'many', LOG_LEVEL: 'LOUD' })
  expect(faulty.code).toBe(2)
  expect(faulty.stderr).toMatch(/API_PORT[\s\S]*LOG_LEVEL|LOG_LEVEL[\s\S]*API_PORT/)
})

test('a JSON blueprint is registered, compared, and retired at a server', async () => {
  const folder = await scratch()
  const file = async (version: number, end: string, state: object = { go_to: end }) => {
    const path = join(folder, `v${version}-${end}.json`)
    const document = {
      format: 'tutti/v1',
      name: 'noted',
      version,
      start: 'a',
      states: { a: state },
      ends: { [end]: {} },
    }
    await writeFile(path, JSON.stringify(document))
    return path
  }
  const token = 'token-of-the-only-client-0123456789'
  const server = await startOrchestrator({
    ...{ STORAGE: 'memory', API_HOST: '127.0.0.1', API_PORT: '0', CLIENT_TOKEN: token, LOG_LEVEL: 'ERROR' },
    GLOBAL_WORKER_TOKEN: 'token-of-workers-0123456789',
  })
  onTestFinished(server.stop)
  const url = `http://127.0.0.1:${server.port}`
  const env = { TUTTI_API_URL: url, TUTTI_BACKEND_URL: url, TUTTI_CLIENT_TOKEN: token, TUTTI_DATA_DIR: folder }
  const types = (...args: string[]) => run(['blueprint', ...args], env)

  expect(await types('register', await file(1, 'old'))).toMatchObject({ code: 0, stdout: 'noted v1 is registered\n' })
  const next = await file(2, 'new')
  expect((await types('diff', '--server', 'noted', next)).stdout).toMatch(
    /^noted v1 -> noted v2\n- state old\n\+ state new\n/,
  )
  expect(await types('register', next)).toMatchObject({ code: 0 })
  expect((await types('list')).stdout).toBe('noted v2\n')
  expect(await types('retire', 'noted@v2')).toMatchObject({ code: 0, stdout: 'noted v2 takes no new jobs any more\n' })
  expect((await types('list')).stdout).toBe('noted v1\n')

  const other = await types('register', await file(1, 'other'))
  expect(other).toMatchObject({ code: 1, stderr: expect.stringMatching(/another definition[\s\S]*→ .*new version/) })
  const broken = await types('register', await file(3, 'x', { when: [{ if: 'nobody > 1', go_to: 'x' }], go_to: 'y' }))
  expect(broken.code).toBe(1)
  expect(broken.stderr).toMatch(/^states\.a\.when\.0\.if: .*nobody/m)
})
