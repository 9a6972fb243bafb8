/**
 * A Redis of ours: the machine's redis-server on a data folder of its own, reached through a Unix socket in it instead of a port, so that
 * nothing can collide and no other account can connect. Every write is on the disk before it is acknowledged. The server is a daemon:
 * when this process is killed it stays up, and the next start takes it over.
 */
import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createClient } from 'redis'
import { socketFolder } from '../socket-folder.ts'

export class BuiltInRedisError extends Error {
  override readonly name = 'BuiltInRedisError'
}

export interface BuiltInRedisOptions {
  dataDir: string
  /** False keeps all in memory alone: for tests only. */
  durable?: boolean
}

export interface BuiltInRedis {
  /** For REDIS_URL: `unix:` and the path of the socket. */
  url: string
  /** Stops the server. Connections that are still open are ended. */
  stop(): Promise<void>
}

const readyWithinMs = 60_000
const pollMs = 10
const answerWithinMs = 5_000

/**
 * Starts the server, or takes over the one that runs on this data folder.
 * @throws BuiltInRedisError with what to do: no redis-server, a folder that can't be used, a log that it can't read
 */
export const startBuiltInRedis = async (options: BuiltInRedisOptions): Promise<BuiltInRedis> => {
  const { durable = true } = options
  const dataDir = resolve(options.dataDir)
  await ownFolder(dataDir)
  const path = join(
    await socketFolder(dataDir, { server: 'redis', socket: 'redis.sock', account: undefined }),
    'redis.sock',
  )
  const log = join(dataDir, 'redis.log')
  const said = await textOf(log)
  if ((await stateOf(path)) === 'away') await launch({ dataDir, path, log, durable })
  await untilReady(path, async () => (await textOf(log)).slice(said.length))
  return { url: `unix://${encodeURI(path)}`, stop: () => shutDown(path) }
}

const ownFolder = async (dataDir: string): Promise<void> => {
  try {
    await mkdir(dataDir, { recursive: true })
    await chmod(dataDir, 0o700)
  } catch (error) {
    throw new BuiltInRedisError(
      `${dataDir} can't be the folder of the built-in Redis (${(error as Error).message}): choose another, or set REDIS_HOST`,
      { cause: error },
    )
  }
}

interface Launch {
  dataDir: string
  path: string
  log: string
  durable: boolean
}

const launch = async ({ dataDir, path, log, durable }: Launch): Promise<void> => {
  const settings: Record<string, string> = {
    daemonize: 'yes',
    port: '0',
    unixsocket: path,
    unixsocketperm: '700',
    dir: dataDir,
    logfile: log,
    pidfile: join(dataDir, 'redis.pid'),
    save: '',
    appendonly: durable ? 'yes' : 'no',
    appendfsync: 'always',
    'maxmemory-policy': 'noeviction',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  try {
    await promisify(execFile)('redis-server', flags, { cwd: dataDir })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new BuiltInRedisError(
        'redis-server was not found: install Redis 7 (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis), or set REDIS_HOST to a server of your own',
      )
    throw new BuiltInRedisError(`redis-server can't be started: ${(error as Error).message}`, { cause: error })
  }
}

type State = 'ready' | 'busy' | 'away'

/** Only a socket that nobody listens on means that there is no server: a second one on the same data would destroy it. */
const stateOf = (path: string): Promise<State> =>
  command(path, 'PING').then(
    () => 'ready',
    (error: NodeJS.ErrnoException) => (['ENOENT', 'ECONNREFUSED'].includes(error.code ?? '') ? 'away' : 'busy'),
  )

/** It reads its whole log of writes before it answers; a server that ends instead has said why. */
const untilReady = async (path: string, said: () => Promise<string>): Promise<void> => {
  const until = Date.now() + readyWithinMs
  for (;;) {
    const state = await stateOf(path)
    if (state === 'ready') return
    // Before its socket is there and after it has given up it looks the same.
    const text = await said()
    if (Date.now() > until || (state === 'away' && /exit|fatal|abort|can't/i.test(text)))
      throw new BuiltInRedisError(`the built-in Redis did not start; it says:\n${text.trim()}`)
    await setTimeout(pollMs)
  }
}

const textOf = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '')

const shutDown = async (path: string): Promise<void> => {
  // It answers by hanging up.
  await command(path, 'SHUTDOWN').catch(() => {})
  while ((await stateOf(path)) !== 'away') await setTimeout(pollMs)
}

const command = async (path: string, ...words: string[]): Promise<unknown> => {
  const client = createClient({ socket: { path, tls: false, reconnectStrategy: false, socketTimeout: answerWithinMs } })
  client.on('error', () => {})
  try {
    await client.connect()
    return await client.sendCommand(words)
  } finally {
    client.destroy()
  }
}
