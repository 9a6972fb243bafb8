/**
 * Runs the tests of test/wire against the process `apps/orchestrator` by its address alone, once for each store:
 *
 *   node scripts/wire.ts [memory] [postgres] [redis]        as it stands: memory and postgres
 *
 * The tests start no server then, and nothing of the server is in their process.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBuiltInPostgres } from '@tutti/stores/built-in-postgres'
import { testRedis } from '@tutti/stores/testing'
import { prepareTarget, type Target, variables } from '../test/wire/support/target.ts'

interface RunningStore {
  env: Record<string, string>
  stop(): Promise<void>
}

const stores: Record<string, () => Promise<RunningStore>> = {
  memory: async () => ({ env: { STORAGE: 'memory' }, stop: async () => {} }),
  postgres: async () => {
    // A folder of its own: started by root, PostgreSQL runs under another account, which must be able to reach it.
    const dataDir = await mkdtemp(join(tmpdir(), 'wire-postgres-'))
    const { connectionString, stop } = await startBuiltInPostgres({ dataDir, durable: false })
    return {
      env: { STORAGE: 'postgres', DATABASE_URL: connectionString },
      stop: async () => {
        await stop()
        await rm(dataDir, { recursive: true, force: true })
      },
    }
  },
  redis: async () => {
    const { port, stop } = await testRedis({ port: true })
    return { env: { STORAGE: 'redis', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port) }, stop }
  },
}

const root = join(import.meta.dirname, '..')
const startMs = 30_000

const main = async (names: string[]): Promise<boolean> => {
  for (const name of names) if (!Object.hasOwn(stores, name)) throw new Error(`no store is called ${name}`)
  for (const name of names) {
    console.log(`The wire against a process with the store ${name}`)
    if (!(await runAgainst(name))) return false
  }
  return true
}

const runAgainst = async (name: string): Promise<boolean> => {
  const folder = await mkdtemp(join(tmpdir(), 'wire-'))
  const cleaners: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
  try {
    const store = await stores[name]?.()
    if (!store) return false
    cleaners.push(store.stop)
    const { env, target } = await prepareTarget(folder)
    const server = spawn(process.execPath, [join(root, 'apps/orchestrator/src/main.ts')], {
      env: { ...env, ...store.env },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    cleaners.push(() => ended(server))
    await answers(target.url, server)
    return await runTests(target)
  } finally {
    for (const clean of cleaners.reverse()) await clean()
  }
}

const answers = async (url: string, server: ChildProcess): Promise<void> => {
  const until = Date.now() + startMs
  for (;;) {
    if (server.exitCode !== null) throw new Error(`the orchestrator ended with ${server.exitCode}`)
    if (
      await fetch(`${url}/_public/health`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return
    if (Date.now() > until) throw new Error(`no answer at ${url} within ${startMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const runTests = async (target: Target): Promise<boolean> => {
  const named = Object.entries(target).map(([field, value]) => [variables[field as keyof Target], value])
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const tests = spawn(process.execPath, [vitest, 'run', '--config', 'test/wire/vitest.config.ts'], {
    cwd: root,
    env: { ...process.env, ...Object.fromEntries(named) },
    stdio: 'inherit',
  })
  const [code] = await once(tests, 'exit')
  return code === 0
}

const ended = async (server: ChildProcess): Promise<void> => {
  if (server.exitCode !== null || server.signalCode !== null) return
  server.kill('SIGTERM')
  await once(server, 'exit')
}

const asked = process.argv.slice(2)
process.exitCode = (await main(asked.length === 0 ? ['memory', 'postgres'] : asked)) ? 0 : 1
