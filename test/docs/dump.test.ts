/** The dump of the operating guide, with a PostgreSQL whose own programs are there. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createClient } from '@tutti/client'
import { startOrchestrator } from '@tutti/orchestrator'
import { expect, onTestFinished, test } from 'vitest'
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

    const guide = readBlocks(await readFile(join(repository, 'docs/guides/operating.md'), 'utf8'))
    const dump = guide.filter(({ words }) => words.includes('not-run=pg-dump')).map(({ text }) => text)
    expect(dump).toHaveLength(1)
    await execute('bash', ['-euc', dump.join('')], {
      cwd: folder,
      env: {
        ...process.env,
        PATH: `${bin}:${process.env.PATH}`,
        DATABASE_URL: urlOf('tutti'),
        RESTORED_DATABASE_URL: urlOf('restored'),
      },
    })
    await before.stop()

    const { jobs, stop } = await startOn(urlOf('restored'))
    expect((await jobs.get(job_id)).status).toBe('waiting_for_event')
    await jobs.sendEvent(job_id, { name: 'greeted', data: 'hello' })
    expect((await jobs.wait(job_id)).result).toBe('hello')
    await stop()
  },
)

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
