import { type ChildProcess, spawn } from 'node:child_process'
import { access, chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type BuiltInPostgres, BuiltInPostgresError, startBuiltInPostgres } from '../src/postgres/built-in.ts'

let folder: string
let running: BuiltInPostgres | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tutti-built-in-'))
  // As a folder that a user made: others may pass.
  await chmod(folder, 0o755)
  running = undefined
})

afterEach(async () => {
  await running?.stop()
  await rm(folder, { recursive: true, force: true })
})

const ask = async (connectionString: string, text: string): Promise<unknown> => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    return Object.values((await client.query(text)).rows[0] ?? {})[0]
  } finally {
    await client.end()
  }
}

const firstLine = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()))
    child.once('exit', (code) => reject(new Error(`the process ended with ${code} before it had started the server`)))
  })

test('the process that started the server is killed: the next one takes the server over, with all that is in it', async () => {
  const dataDir = join(folder, 'data')
  const script = fileURLToPath(new URL('./start-and-hang.ts', import.meta.url))
  const child = spawn(process.execPath, [script, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] })
  const address = await firstLine(child)
  await ask(address, 'CREATE TABLE kept AS SELECT 42 AS n')
  const startedAt = await ask(address, 'SELECT pg_postmaster_start_time()::text')
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone

  running = await startBuiltInPostgres({ dataDir, durable: false })
  expect(running.connectionString).toBe(address)
  expect(await ask(running.connectionString, 'SELECT n FROM kept')).toBe(42)
  expect(await ask(running.connectionString, 'SELECT pg_postmaster_start_time()::text')).toBe(startedAt)
})

test('a server that was killed and still counts as running is waited for, and started with what it had', async () => {
  const dataDir = join(folder, 'data')
  const first = await startBuiltInPostgres({ dataDir })
  await ask(first.connectionString, 'CREATE TABLE kept AS SELECT 42 AS n')
  const record = join(dataDir, 'cluster', 'postmaster.pid')
  const lines = (await readFile(record, 'utf8')).split('\n')
  process.kill(Number(lines[0]), 'SIGKILL')
  // In its place: a process of the same account that lives a little longer, as one does that nobody has waited for yet.
  const { uid, gid } = await stat(join(dataDir, 'cluster'))
  const other = spawn('sleep', ['2'], process.getuid?.() === 0 ? { uid, gid } : {})
  await writeFile(record, [other.pid, ...lines.slice(1)].join('\n'))

  running = await startBuiltInPostgres({ dataDir })
  expect(other.exitCode).toBe(0)
  expect(await ask(running.connectionString, 'SELECT n FROM kept')).toBe(42)
})

test('a server that was stopped starts again with its data', async () => {
  const dataDir = join(folder, 'data')
  const first = await startBuiltInPostgres({ dataDir, durable: false })
  await ask(first.connectionString, 'CREATE TABLE kept AS SELECT 42 AS n')
  await first.stop()
  running = await startBuiltInPostgres({ dataDir, durable: false })
  expect(await ask(running.connectionString, 'SELECT n FROM kept')).toBe(42)
  const other = await running.createDatabase('quoted "name"')
  expect(await ask(other, 'SELECT current_database()')).toBe('quoted "name"')
  await running.dropDatabase('quoted "name"')
  await expect(ask(other, 'SELECT 1')).rejects.toThrow(/does not exist/)
})

test('data of another PostgreSQL version is refused, and left as it is', async () => {
  const cluster = join(folder, 'data', 'cluster')
  await mkdir(cluster, { recursive: true })
  await writeFile(join(cluster, 'PG_VERSION'), '12\n')
  const refused = startBuiltInPostgres({ dataDir: join(folder, 'data') })
  await expect(refused).rejects.toThrow(BuiltInPostgresError)
  await expect(refused).rejects.toThrow(/belongs to PostgreSQL 12/)
})

test('a folder that can not be one is refused with what to do', async () => {
  await writeFile(join(folder, 'file'), '')
  const refused = startBuiltInPostgres({ dataDir: join(folder, 'file') })
  await expect(refused).rejects.toThrow(BuiltInPostgresError)
  await expect(refused).rejects.toThrow(/DATABASE_URL/)
})

test('a folder that the server’s account can not reach is refused with what to do', async () => {
  const closed = join(folder, 'closed')
  await mkdir(closed)
  // For root, its own account passes and the server's does not; for anybody else, nobody passes.
  await chmod(closed, process.getuid?.() === 0 ? 0o700 : 0o000)
  const refused = startBuiltInPostgres({ dataDir: join(closed, 'data') })
  await expect(refused).rejects.toThrow(BuiltInPostgresError)
  await expect(refused).rejects.toThrow(/DATABASE_URL/)
  await chmod(closed, 0o700)
})

test('a server in which the database can not be made is not left running', async () => {
  const dataDir = join(folder, 'data')
  const first = await startBuiltInPostgres({ dataDir, durable: false })
  await ask(first.connectionString, 'ALTER DATABASE postgres ALLOW_CONNECTIONS false')
  // One that was running before is left running: it may be another process's.
  await expect(startBuiltInPostgres({ dataDir, durable: false })).rejects.toThrow(BuiltInPostgresError)
  expect(await ask(first.connectionString, 'SELECT 1')).toBe(1)
  await first.stop()
  await expect(startBuiltInPostgres({ dataDir, durable: false })).rejects.toThrow(BuiltInPostgresError)
  await expect(access(join(dataDir, 'cluster', 'postmaster.pid'))).rejects.toMatchObject({ code: 'ENOENT' })
})
