/**
 * What a new user does with agents, by the commands that they type: the whole stack of `tutti up` with its built-in PostgreSQL, the real
 * agent SDK and a real sandbox. Only the model is a script.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { bash, person, repository, script, sessionIn } from './person.ts'

const timeout = 120_000

const project = {
  'package.json': '{"type": "module", "scripts": {"test": "node --test"}}\n',
  'sum.js': 'export const sum = (numbers) => numbers.reduce((a, b) => a - b, 0)\n',
  'sum.test.js': `import assert from 'node:assert/strict'
import test from 'node:test'
import { sum } from './sum.js'
test('numbers are added', () => assert.equal(sum([1, 2, 3]), 6))
`,
}
const testsOf = (folder: string): number | null =>
  spawnSync(process.execPath, ['--test'], { cwd: folder, env: { PATH: process.env.PATH } }).status

test('a failing test of a repository is mended: red before, green after, the change seen and applied', {
  timeout,
}, async () => {
  const { folder, starts, types } = await person()
  await starts()
  const mine = await repository(join(folder, 'calc'), project)
  expect(testsOf(mine)).toBe(1)

  const turn = await types(
    ...['run', '--upload', mine],
    script(
      bash('cd /workspace/calc && node --test; echo "exit code $?"'),
      { tool: 'Read', input: { file_path: '/workspace/calc/sum.js' } },
      { tool: 'Edit', input: { file_path: '/workspace/calc/sum.js', old_string: 'a - b', new_string: 'a + b' } },
      bash('cd /workspace/calc && node --test; echo "exit code $?"'),
      { say: 'It subtracted. Now the test passes.' },
    ),
  )
  expect([turn.code, turn.stderr]).toEqual([0, ''])
  expect(turn.stdout).toMatch(/Edit \/workspace\/calc\/sum\.js[\s\S]*Now the test passes\./)
  const tools = JSON.parse((await types('session', 'tools', 'last', '--json')).stdout) as { tool_output: unknown }[]
  const codes = tools.flatMap(({ tool_output }) => /exit code (\d)/.exec(JSON.stringify(tool_output))?.[1] ?? [])
  expect(codes).toEqual(['1', '0'])

  // Here nothing has changed yet; and what somebody changes here meanwhile stays.
  expect(testsOf(mine)).toBe(1)
  const diff = await types('session', 'diff', 'last', mine)
  expect(diff.stdout).toContain('-export const sum = (numbers) => numbers.reduce((a, b) => a - b, 0)\n+export')
  execFileSync('git', ['-C', mine, 'apply', '--check', '-'], { input: diff.stdout })
  expect(await types('session', 'apply', 'last', mine)).toMatchObject({ code: 0, stdout: '~ sum.js\n' })
  expect(testsOf(mine)).toBe(0)
  expect(execFileSync('git', ['-C', mine, 'status', '--short'], { encoding: 'utf8' })).toBe(' M sum.js\n')

  // A second turn changes the same line again; what is not committed here is not overwritten unasked.
  const again = bash("sed -i 's/a + b/b + a/' /workspace/calc/sum.js")
  expect((await types('run', '--continue', script(again))).code).toBe(0)
  const refused = await types('session', 'apply', 'last', mine)
  expect(refused).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/sum\.js: commit them, or use --force/),
  })
  expect((await types('session', 'apply', 'last', mine, '--force')).code).toBe(0)
  expect(readFileSync(join(mine, 'sum.js'), 'utf8')).toContain('b + a')
})

const colour = {
  tool: 'AskUserQuestion',
  input: {
    questions: [
      {
        ...{ question: 'Which colour?', header: 'Colour', multiSelect: false },
        options: [
          { label: 'Red', description: 'warm' },
          { label: 'Blue', description: 'cold' },
        ],
      },
    ],
  },
}

test('a question outlives a power cut of everything, and is answered afterwards', { timeout }, async () => {
  const { starts, types, session, pullsThePlug } = await person()
  await starts()
  const asked = await types(
    'run',
    script(bash('echo before > kept.txt'), colour, bash('cat kept.txt'), { say: 'Thank you.' }),
  )
  expect([asked.code, asked.stdout]).toEqual([
    4,
    expect.stringMatching(/Which colour\?\n {2}1\. Red \(warm\)\n {2}2\. Blue/),
  ])
  const id = sessionIn(asked)
  await pullsThePlug()
  expect(await types('session', 'show', id)).toMatchObject({ code: 1, stderr: expect.stringContaining('npm start') })

  await starts()
  expect((await types('session', 'questions', id)).stdout).toContain('Which colour?')
  expect(await types('session', 'answer', id, '3')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('1 to 2'),
  })
  expect((await types('session', 'answer', id, '2')).code).toBe(0)
  const rest = await types('session', 'watch', id)
  const { status, runs } = await session(id)
  expect([status, runs.map((each) => each.status)]).toEqual(['completed', ['completed']])
  expect(rest.code).toBe(0)
  const tools = JSON.parse((await types('session', 'tools', id, '--json')).stdout)
  expect(tools.map(({ tool_name }: { tool_name: string }) => tool_name)).toEqual(['Bash', 'AskUserQuestion', 'Bash'])
  expect(JSON.stringify(tools[1])).toContain('Blue')
  expect(JSON.stringify(tools[2].tool_output)).toContain('before')
})

test('a question is answered in the command that asked it; a refused tool is not used', { timeout }, async () => {
  const { starts, types } = await person()
  await starts()
  const turn = await types(
    ...['run', '--mode', 'default', '--answer', 'blue', '--answer', 'no: not there', '--answer', 'yes'],
    script(colour, bash('touch refused.txt'), bash('touch allowed.txt'), { say: 'Thank you.' }),
  )
  expect([turn.code, turn.stdout]).toEqual([0, expect.stringMatching(/May it use Bash\?[\s\S]*Thank you\./)])
  expect((await types('session', 'files', 'last', '--json')).stdout).toMatch(/allowed\.txt/)
  expect((await types('session', 'files', 'last', '--json')).stdout).not.toMatch(/refused\.txt/)
  expect((await types('session', 'tools', 'last', '--json')).stdout).toContain('not there')
})

test('a budget that is used up is told clearly, and nothing more is spent', { timeout }, async () => {
  const { starts, types } = await person()
  const prices = { scripted: { input: 10, output: 10, cache_write: 10, cache_read: 10 } }
  await starts({ MODEL_PRICES: JSON.stringify(prices) })
  const spent = async (): Promise<{ calls: number; cost_usd: number }> =>
    JSON.parse((await types('session', 'usage', 'last', '--json')).stdout).spending

  // One call of this model costs about ten cents: the second one is over the limit, the third does not happen.
  const steps = ['one', 'two', 'three', 'four', 'five'].map((word) => bash(`echo ${word} >> steps.txt`))
  const over = await types('run', '--budget-usd', '0.15', script(...steps))
  expect(over.code).toBe(1)
  expect(over.stdout).toMatch(/failed · session .*\nBUDGET_EXCEEDED: .*0\.15/)
  const first = await spent()
  expect(first.calls).toBe(2)
  expect((await types('session', 'files', 'last')).stdout).toContain('steps.txt')

  // The session's own limit holds for its next messages, too: refused before any call.
  const limit = await types('budget', 'set', '--session', 'last', '--usd', '0.1')
  expect(limit.stdout).toMatch(/\$0\.\d+ of \$0\.1 \(set by owner\)/)
  const refused = await types('run', '--continue', 'Go on.')
  expect([refused.code, refused.stdout + refused.stderr]).toEqual([
    1,
    expect.stringMatching(/\$0\.1000 .* is used up: \$0\.\d+ so far\. \(BUDGET_EXCEEDED\)\n→ /),
  ])
  expect(await spent()).toEqual(first)

  expect((await types('budget', 'set', '--session', 'last')).code).toBe(0)
  expect((await types('run', '--continue', script({ say: 'Here I am.' }))).code).toBe(0)
  expect((await spent()).calls).toBe(3)
})

test('cancelled in the middle of a tool: its processes are gone, what it had written is there', {
  timeout,
}, async () => {
  const { starts, types, begins, session } = await person()
  await starts()
  const seconds = `98.${process.pid}`
  const sleepers = (): string[] => commands().filter((command) => command.startsWith(`sleep\0${seconds}`))
  const prompt = script(bash(`echo part > partial.txt; sleep ${seconds}; echo whole > whole.txt`))

  const turn = begins('run', prompt)
  await vi.waitFor(() => expect(sleepers()).toHaveLength(1), { timeout: 60_000, interval: 20 })
  const { stdout } = await types('session', 'cancel', 'last', '--reason', 'enough')
  const told = performance.now()
  await vi.waitFor(() => expect(sleepers()).toEqual([]), { timeout: 30_000, interval: 5 })
  const ms = Math.round(performance.now() - told)
  expect(await turn.ended).toMatchObject({ code: 1 })
  expect(turn.stdout()).toMatch(/canceled · session/)
  // Two seconds are promised on a machine that has time for it; this one may be busy with other tests.
  expect(ms).toBeLessThan(6_000)
  const id = stdout.slice(0, 36)
  expect((await session(id)).runs).toMatchObject([{ status: 'canceled' }])
  expect(paths((await types('session', 'files', id, '--json')).stdout)).toEqual(['partial.txt'])

  // The same by Ctrl+C; the session goes on afterwards, with its files.
  const second = begins('run', '--session', id, prompt)
  await vi.waitFor(() => expect(sleepers()).toHaveLength(1), { timeout: 60_000, interval: 20 })
  second.kill('SIGINT')
  expect(await second.ended).toMatchObject({ code: 130 })
  expect(second.stderr()).toContain('interrupting')
  expect(sleepers()).toEqual([])
  const third = await types('run', '--session', id, script(bash('cat partial.txt'), { say_last_result: true }))
  expect([third.code, third.stdout]).toEqual([0, expect.stringContaining('part\n')])
})

test('forked with files and memory, both go on by themselves', { timeout }, async () => {
  const { folder, starts, types } = await person()
  await starts()
  const first = await types('run', script(bash('echo common > notes.txt'), { say: 'Noted.' }))
  const one = sessionIn(first)
  const two = (await types('session', 'branch', one)).stdout.trim()
  expect(two).toMatch(/^[0-9a-f-]{36}$/)
  expect(two).not.toBe(one)

  const write = (word: string) => script(bash(`echo ${word} >> notes.txt`))
  expect((await types('run', '--session', one, write('first'))).code).toBe(0)
  expect((await types('run', '--session', two, write('second'))).code).toBe(0)
  // Memory: without a script the model says what it was told before.
  const remembered = await types('run', '--session', two, 'What did I say?')
  expect(remembered.stdout).toMatch(/Before this you wrote [\s\S]*notes\.txt/)

  const notes = async (id: string, name: string): Promise<string> => {
    expect((await types('session', 'download', id, join(folder, name))).code).toBe(0)
    return readFileSync(join(folder, name, 'notes.txt'), 'utf8')
  }
  expect(await notes(one, 'one')).toBe('common\nfirst\n')
  expect(await notes(two, 'two')).toBe('common\nsecond\n')
  // And one of them back: files of the first turn, the conversation stays.
  expect((await types('session', 'rewind', one)).stdout).toMatch(/^1 files?, as run/)
  expect(await notes(one, 'back')).toBe('common\n')
})

const paths = (json: string): string[] => (JSON.parse(json) as { path: string }[]).map(({ path }) => path)

/** Of all processes of this machine, the sandboxes' as well. */
const commands = (): string[] =>
  readdirSync('/proc').flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8')] : []
    } catch {
      return []
    }
  })
