/** The dumps of the operating guides, with a PostgreSQL whose own programs are there. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createClient } from '@tutti/client'
import { startOrchestrator } from '@tutti/orchestrator'
import { expect, onTestFinished, test } from 'vitest'
import { run } from '../../apps/cli/test/support/processes.ts'
import { scratch } from '../../apps/cli/test/support/scratch.ts'
import { up } from '../../apps/cli/test/support/stack.ts'
import { script } from '../walk/person.ts'
import { readBlocks } from './support/blocks.ts'
import { repository } from './support/repository.ts'

const execute = promisify(execFile)
const token = 'client-token-of-the-guides-0123456789'

/** Where Debian keeps them, the newest last. */
const binaries = '/usr/lib/postgresql'
const versions = existsSync(binaries) ? (await readdir(binaries)).sort((a, b) => Number(a) - Number(b)) : []
const bin = versions
  .map((version) => join(binaries, version, 'bin'))
  .findLast((folder) => ['initdb', 'pg_ctl', 'pg_dump', 'pg_restore'].every((name) => existsSync(join(folder, name))))
if (bin === undefined) process.stderr.write('test/docs: no PostgreSQL of the system, so its pg_dump is not tested\n')

test.skipIf(bin === undefined)(
  'a dump is taken under a running orchestrator, and another goes on from it',
  async () => {
    const { folder, urlOf } = await startPostgres(bin ?? '')
    const before = await startOn(urlOf('tutti'))
    // In the store like its jobs, so it is in the dump.
    await before.blueprints.register({
      format: 'tutti/v1',
      name: 'greet_by_hand',
      start: 'wait',
      states: { wait: { wait_for_event: { name: 'greeted', on: { event: 'done' } } } },
      ends: { done: { output: { $expr: 'last.data' } } },
    })
    const { job_id } = await before.jobs.create({ blueprint: 'greet_by_hand', input: {} })

    const dump = await dumpsOf('docs/guides/operating.md')
    expect(dump).toHaveLength(1)
    await execute('bash', ['-euc', dump.join('')], { cwd: folder, env: environmentOf(urlOf) })
    await before.stop()

    const { jobs, stop } = await startOn(urlOf('restored'))
    expect((await jobs.get(job_id)).status).toBe('waiting_for_event')
    await jobs.sendEvent(job_id, { name: 'greeted', data: 'hello' })
    expect((await jobs.wait(job_id)).result).toBe('hello')
    await stop()
  },
)

test.skipIf(bin === undefined)(
  'sessions are backed up under a running stack, and go on in a fresh one with their files and what the agent remembers',
  { timeout: 180_000 },
  async () => {
    const { folder, urlOf } = await startPostgres(bin ?? '')
    const [backup, restore, ...more] = await dumpsOf('docs/guides/operating-agents.md')
    expect([backup, restore, more]).toEqual([expect.any(String), expect.any(String), []])
    const place = await scratch()
    const dataDir = (name: string): string => join(place, name)
    const types = (name: string, ...words: string[]) => run(words, { TUTTI_DATA_DIR: dataDir(name) })
    const note = script({ tool: 'Bash', input: { command: 'echo kept > notes.txt' } }, { say: 'Noted.' })

    const stack = await up(dataDir('before'), [], { DATABASE_URL: urlOf('tutti') })
    expect((await types('before', 'run', note)).code).toBe(0)
    const env = { ...environmentOf(urlOf), OBJECTS_DIR: join(dataDir('before'), 'objects') }
    await execute('bash', ['-euc', backup ?? ''], { cwd: folder, env })
    // What comes after the backup is not in it.
    expect((await types('before', 'run', '--continue', 'Too late.')).code).toBe(0)
    stack.kill('SIGKILL')
    await stack.ended
    await rm(dataDir('before'), { recursive: true })

    const objects = join(dataDir('after'), 'objects')
    await mkdir(objects, { recursive: true })
    await execute('bash', ['-euc', restore ?? ''], { cwd: folder, env: { ...env, RESTORED_OBJECTS_DIR: objects } })
    await up(dataDir('after'), [], { DATABASE_URL: urlOf('restored') })
    expect((await types('after', 'session', 'messages', 'last')).stdout).not.toContain('Too late.')
    expect((await types('after', 'session', 'download', 'last', join(place, 'files'))).code).toBe(0)
    expect(await readFile(join(place, 'files', 'notes.txt'), 'utf8')).toBe('kept\n')
    const next = await types('after', 'run', '--continue', 'What did I say?')
    expect([next.code, next.stdout]).toEqual([0, expect.stringMatching(/Before this you wrote [\s\S]*notes\.txt/)])
    expect(next.stdout).toContain('The workspace holds 1 entry: notes.txt')
  },
)

/** The commands of a guide, block by block. */
const dumpsOf = async (guide: string): Promise<string[]> =>
  readBlocks(await readFile(join(repository, guide), 'utf8'))
    .filter(({ words }) => words.includes('not-run=pg-dump'))
    .map(({ text }) => text)

const environmentOf = (urlOf: (name: string) => string): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: `${bin}:${process.env.PATH}`,
  DATABASE_URL: urlOf('tutti'),
  RESTORED_DATABASE_URL: urlOf('restored'),
})

const startOn = async (url: string) => {
  const server = await startOrchestrator({
    DATABASE_URL: url,
    API_HOST: '127.0.0.1',
    API_PORT: '0',
    CLIENT_TOKEN: token,
    GLOBAL_WORKER_TOKEN: 'worker-token-of-the-guides-0123456789',
    LOG_LEVEL: 'ERROR',
  })
  onTestFinished(server.stop)
  const { jobs, blueprints } = createClient({ url: `http://127.0.0.1:${server.port}`, token })
  return { jobs, blueprints, stop: server.stop }
}

const startPostgres = async (programs: string) => {
  const folder = await mkdtemp(join(tmpdir(), 'tutti-dump-'))
  await chmod(folder, 0o777)
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  // PostgreSQL refuses to run as root.
  const run = (program: string, ...args: string[]) => {
    const command = [join(programs, program), ...args]
    const [file = '', ...rest] = process.getuid?.() === 0 ? ['runuser', '-u', 'postgres', '--', ...command] : command
    return execute(file, rest, { cwd: folder })
  }
  const data = join(folder, 'data')
  await run('initdb', '-D', data, '-A', 'trust', '-U', 'tutti')
  await run('pg_ctl', '-D', data, '-o', `-k ${folder} -c listen_addresses=`, '-l', join(folder, 'log'), '-w', 'start')
  onTestFinished(async () => void (await run('pg_ctl', '-D', data, '-m', 'immediate', '-w', 'stop')))
  for (const name of ['tutti', 'restored']) await run('createdb', '-h', folder, '-U', 'tutti', name)
  return { folder, urlOf: (name: string) => `postgresql://tutti@localhost/${name}?host=${encodeURIComponent(folder)}` }
}
