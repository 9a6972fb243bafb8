/** The built-in Redis: what it promises of data, of a second start, and of what it can't do. */
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { aChange, accept, aJob } from '../src/conformance/index.ts'
import { openStore, type StoreChoice, StoreRefusedError } from '../src/index.ts'
import { startBuiltInRedis } from '../src/redis/built-in.ts'

const folder = async (): Promise<string> => {
  const made = await mkdtemp(join(tmpdir(), 'built-in-redis-'))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return made
}

const pidIn = async (dataDir: string): Promise<number> => Number(await readFile(join(dataDir, 'redis.pid'), 'utf8'))

const storeAt = async (url: string) => {
  const warnings: string[] = []
  const redis = { host: '', port: 0, db: 0, username: '', password: '', tls: false, cluster: false, prefix: 'tutti' }
  const choice: StoreChoice = { kind: 'redis', redis: { ...redis, socket: decodeURI(new URL(url).pathname) } }
  const onWarning = (text: string): void => void warnings.push(text)
  return { store: await openStore(choice, { instance: 'one', onWarning, onError: () => {} }), warnings }
}

test('what was acknowledged is there after the server was killed, and a second start takes over the one that runs', async () => {
  const dataDir = await folder()
  const first = await startBuiltInRedis({ dataDir })
  onTestFinished(() => startBuiltInRedis({ dataDir }).then(({ stop }) => stop()))
  const { store, warnings } = await storeAt(first.url)
  expect(warnings).toEqual([])
  const job = aJob()
  await accept(store, aChange(job))
  const pid = await pidIn(dataDir)
  process.kill(pid, 'SIGKILL')
  await store.close()

  const second = await startBuiltInRedis({ dataDir })
  const running = await pidIn(dataDir)
  expect(running).not.toBe(pid)
  const third = await startBuiltInRedis({ dataDir })
  expect([third.url, await pidIn(dataDir)]).toEqual([second.url, running])
  const after = await storeAt(third.url)
  expect(await after.store.job([job.id])).toMatchObject([{ id: job.id }])
  await after.store.close()
  await third.stop()
  await expect(storeAt(second.url)).rejects.toThrow(StoreRefusedError)
})

test('nobody but its own account reaches it: no port, and a socket that is closed to others', async () => {
  const dataDir = await folder()
  await chmod(dataDir, 0o755)
  const { url, stop } = await startBuiltInRedis({ dataDir })
  onTestFinished(stop)
  const path = decodeURI(new URL(url).pathname)
  expect([(await stat(dataDir)).mode & 0o777, (await stat(path)).mode & 0o777]).toEqual([0o700, 0o700])
  const { stdout } = await promisify(execFile)('redis-cli', ['-s', path, 'CONFIG', 'GET', 'port'])
  expect(stdout.trim().split('\n')).toEqual(['port', '0'])
})

test('a path that is too long for a socket moves the socket, not the data', async () => {
  const dataDir = join(await folder(), 'long'.repeat(30))
  const { url, stop } = await startBuiltInRedis({ dataDir })
  onTestFinished(stop)
  expect(Buffer.byteLength(new URL(url).pathname)).toBeLessThan(107)
  expect((await stat(join(dataDir, 'appendonlydir'))).isDirectory()).toBe(true)
})

test('a server that does not start says why, and an older good-bye in its log is not taken for one', async () => {
  const dataDir = await folder()
  const once = await startBuiltInRedis({ dataDir })
  await once.stop()
  const again = await startBuiltInRedis({ dataDir })
  await again.stop()
  await writeFile(join(dataDir, 'appendonlydir', 'appendonly.aof.manifest'), 'nonsense\n')
  await expect(startBuiltInRedis({ dataDir })).rejects.toThrow(
    /the built-in Redis did not start; it says:[\s\S]*manifest/,
  )
})

test('a machine without redis-server: what to install, or to set', async () => {
  const { PATH } = process.env
  process.env.PATH = '/nowhere'
  onTestFinished(() => {
    process.env.PATH = PATH
  })
  await expect(startBuiltInRedis({ dataDir: await folder() })).rejects.toThrow(
    /redis-server was not found: install Redis 7 .*, or set REDIS_HOST/,
  )
})
