/**
 * An installation of real processes: two backends, two managers on hosts of their own, an orchestrator, over one PostgreSQL and
 * one object store. What it tells while it runs: which manager has which session in hand, and where in its run that is.
 */
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Balancer, startBalancer } from '../kill/instances.ts'
import { type Database, startDatabase } from './database.ts'
import { openStore, type Store, type StoreKind } from './object-store.ts'
import { createProgram, type LogLine, type Program, type ProgramOptions } from './program.ts'
import { type Provider, startProvider } from './provider.ts'

export const leaseSeconds = 5

export type Place = 'claimed' | 'turn' | 'export'

export interface Hand {
  manager: string
  place: Place
  runId: string
}

export interface Installation {
  root: string
  /** Sandboxes that each manager has waiting. */
  pool: number
  backends: Program[]
  managers: Program[]
  orchestrator: Program
  database: Database
  store: Store
  provider: Provider
  /** As clients know them. */
  backendUrls: string[]
  orchestratorUrl: string
  clientToken: string
  /** By session: who works on it now, as the managers' logs tell. */
  hands: ReadonlyMap<string, Hand>
  /** Called with each step of a run. */
  onStep(listener: (sessionId: string, hand: Hand) => void): void
  /** Lines of level ERROR that tell of more than what was taken away, and processes that ended by themselves. */
  complaints: string[]
  /** WARNING and ERROR lines, counted by what they say. */
  said: Map<string, number>
  /** What the processes said, as it came. */
  heard: HeardLine[]
  workspaceRoot(manager: string): string
  /** Ends what runs, in order. @returns what did not end by itself */
  stop(): Promise<string[]>
  remove(): Promise<void>
}

export interface HeardLine {
  at: number
  program: string
  line: LogLine
}

const token = 'internal-token-of-the-chaos-0001'
const clientToken = 'client-token-of-the-chaos-0123456789'
const workerToken = 'worker-token-of-the-chaos-0123456789'

const places: Record<string, Place> = {
  'a run was claimed': 'claimed',
  'a turn begins': 'turn',
  'the turn ended': 'export',
}
/** What is said of a database or an object store that has been taken away. */
const fallsAway =
  /ECONNRE|ENOENT[^"]*PGSQL|can.t be reached|Connection terminated|terminating connection|database system is|EPIPE|57P0|the engine met an error/
const ends = new Set(['the end of a run is reported', 'a run ended in other hands'])

export const startInstallation = async (kind: StoreKind, pool: number): Promise<Installation> => {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'tutti-chaos-')))
  // PostgreSQL runs as another user, and has to come through here.
  await mkdir(join(root, 'tmp'))
  const database = await startDatabase(await mkdtemp(join(tmpdir(), 'tutti-chaos-pg-')))
  const store = await openStore(kind, root)
  const provider = await startProvider()
  const ports = await freePorts(3)
  const [first, second, third] = ports.map((port) => `http://127.0.0.1:${port}`) as [string, string, string]
  const balancer: Balancer = await startBalancer([{ url: first }, { url: second }])

  const hands = new Map<string, Hand>()
  const listeners: ((sessionId: string, hand: Hand) => void)[] = []
  const complaints: string[] = []
  const said = new Map<string, number>()
  const heard: HeardLine[] = []

  const note = (name: string, line: LogLine): void => {
    if (line.level === 'WARNING' || line.level === 'ERROR') {
      const text = `${line.level} ${line.msg}`
      said.set(text, (said.get(text) ?? 0) + 1)
    }
    const text = JSON.stringify(line)
    if (line.level === 'ERROR' && !fallsAway.test(text)) complaints.push(`${name}: ${text}`)
  }
  const follow = (manager: string, line: LogLine): void => {
    const { session_id, run_id, msg } = line
    const place = places[msg]
    if (session_id === undefined || run_id === undefined) return
    if (place !== undefined) {
      const hand = { manager, place, runId: run_id }
      hands.set(session_id, hand)
      for (const listener of listeners) listener(session_id, hand)
    } else if (ends.has(msg) && hands.get(session_id)?.manager === manager) hands.delete(session_id)
  }
  const program = (name: string, app: ProgramOptions['app'], env: Record<string, string>): Program =>
    createProgram({
      ...{ name, app },
      env: { TMPDIR: join(root, 'tmp'), LOG_FORMAT: 'json', ...store.env, ...env },
      heard: (line) => {
        heard.push({ at: Date.now(), program: name, line })
        note(name, line)
        if (app === 'executor-manager') follow(name, line)
      },
      fell: (how) => complaints.push(how),
    })

  const common = { DATABASE_URL: database.url, WATCHER_INTERVAL_SECONDS: '2' }
  const backends = [first, second].map((url, at) =>
    program(`backend-${at + 1}`, 'backend', {
      ...common,
      ...{ HOST: '127.0.0.1', PORT: new URL(url).port, BACKEND_PUBLIC_URL: url, INSTANCE_ID: `backend-${at + 1}` },
      ...{ INTERNAL_API_TOKEN: token, SECRET_KEY: 'key-of-the-chaos-'.repeat(3), LOG_LEVEL: 'WARNING' },
    }),
  )
  const workspaceRoot = (manager: string): string => join(root, manager)
  const managers = ['manager-1', 'manager-2'].map((name) =>
    program(name, 'executor-manager', {
      ...{ BACKEND_URL: balancer.url, WORKER_ID: name, WORKSPACE_ROOT: workspaceRoot(name), MANAGER_PORT: '0' },
      ...{ ANTHROPIC_BASE_URL: provider.url, ANTHROPIC_AUTH_TOKEN: provider.key, INTERNAL_API_TOKEN: token },
      ...{ TASK_CLAIM_LEASE_SECONDS: String(leaseSeconds), TASK_PULL_INTERVAL_SECONDS: '0.5', LOG_LEVEL: 'INFO' },
      // Sandboxes are kept for the next turn as they are anywhere, but gone by the time that what is left is looked at.
      ...{ MAX_CONCURRENT_TASKS: '3', SANDBOX_KEEP_SECONDS: '2', SANDBOX_POOL: String(pool) },
    }),
  )
  const orchestrator = program('orchestrator', 'orchestrator', {
    ...common,
    ...{ API_HOST: '127.0.0.1', API_PORT: new URL(third).port, INSTANCE_ID: 'orchestrator' },
    ...{ CLIENT_TOKEN: clientToken, GLOBAL_WORKER_TOKEN: workerToken, RATE_LIMITING_ENABLED: 'false' },
    ...{ BLUEPRINTS_DIR: join(import.meta.dirname, 'blueprints'), LOG_LEVEL: 'WARNING' },
  })
  const programs = [...backends, ...managers, orchestrator]
  for (const one of programs) one.start()

  return {
    ...{
      root,
      pool,
      backends,
      managers,
      orchestrator,
      database,
      store,
      provider,
      hands,
      complaints,
      said,
      heard,
      workspaceRoot,
    },
    backendUrls: [first, second],
    orchestratorUrl: third,
    clientToken,
    onStep: (listener) => void listeners.push(listener),
    stop: async () => {
      const forced: string[] = []
      // Managers first: they have something to tell.
      for (const group of [managers, [...backends, orchestrator]])
        await Promise.all(group.map(async (one) => (await one.stop(20_000)) || forced.push(one.name)))
      return forced
    },
    remove: async () => {
      await Promise.all(programs.map((one) => one.kill()))
      await balancer.close()
      await provider.close()
      await store.close()
      await database.close()
      await rm(root, { recursive: true, force: true })
      await rm(database.dataDir, { recursive: true, force: true })
    },
  }
}

const freePorts = async (count: number): Promise<number[]> => {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer()
          server.once('error', reject).listen(0, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  return Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          const address = server.address()
          server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
        }),
    ),
  )
}
