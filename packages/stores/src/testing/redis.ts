/** A Redis server of its own for a test file, on a Unix socket in a folder that goes with it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'
import { freePort } from './free-port.ts'

export interface TestRedis {
  /** For `createRedisStore({ server })`. */
  address: { socket: { path: string; tls: false } }
  /** Of the cluster's clients, which know no sockets; 0 unless a port was asked for. */
  port: number
  /** Sends one command over a connection of its own. */
  command(...args: string[]): Promise<unknown>
  /** Ends the process by the signal (default: one that it can't handle) and starts it again on what it had written. */
  restart(signal?: NodeJS.Signals): Promise<void>
  /** Ends the process and removes its folder. */
  stop(): Promise<void>
}

const missing =
  'redis-server was not found: install Redis 7 (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis)'

/**
 * `settings` are lines of redis.conf, as name and value. With `port: true` it listens on a free port of the loopback, too.
 * @throws when redis-server is not installed
 */
export const testRedis = async (
  options: { settings?: Record<string, string>; port?: boolean } = {},
): Promise<TestRedis> => {
  const folder = await mkdtemp(join(tmpdir(), 'tutti-redis-'))
  const path = join(folder, 's')
  const port = options.port ? await freePort() : 0
  const settings = {
    save: '',
    bind: '127.0.0.1',
    port: String(port),
    unixsocket: path,
    dir: folder,
    ...options.settings,
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  let server: ChildProcess | undefined
  // A test run that is broken off leaves no server behind.
  const kill = (): void => {
    server?.kill('SIGKILL')
  }
  process.once('exit', kill)

  const start = async (): Promise<void> => {
    const child = spawn('redis-server', flags, { stdio: 'ignore' })
    server = child
    const failed = once(child, 'error').then(([error]) => {
      throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? new Error(missing) : error
    })
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`redis-server ended with ${code}`)
    })
    failed.catch(() => {})
    ended.catch(() => {})
    await Promise.race([answering(path), failed, ended])
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const child = server
    server = undefined
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return
    const over = once(child, 'exit')
    child.kill(signal)
    await over
  }
  const stop = async (): Promise<void> => {
    process.off('exit', kill)
    await end('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  }

  try {
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    address: { socket: { path, tls: false } },
    port,
    command: (...args) => oneCommand(path, args),
    restart: async (signal = 'SIGKILL') => {
      await end(signal)
      await start()
    },
    stop,
  }
}

const oneCommand = async (path: string, args: string[]): Promise<unknown> => {
  const client = createClient({ socket: { path, tls: false, reconnectStrategy: false } })
  client.on('error', () => {})
  await client.connect()
  try {
    return await client.sendCommand(args)
  } finally {
    client.destroy()
  }
}

const answering = async (path: string): Promise<void> => {
  const deadline = Date.now() + 20_000
  for (;;) {
    try {
      // Until it has read what it wrote before, it answers LOADING.
      await oneCommand(path, ['PING'])
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}
