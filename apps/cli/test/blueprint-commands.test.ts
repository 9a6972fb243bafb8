/** `tutti blueprint …` and `tutti config check`: what is looked at before anything starts, and what a server is given. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startOrchestrator } from '@tutti/orchestrator'
import { expect, onTestFinished, test } from 'vitest'
import { blueprints } from './support/person.ts'
import { run } from './support/processes.ts'
import { folderOf, scratch } from './support/scratch.ts'

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
