/** Backend, executor manager and orchestrator as processes of their own: what they say, what they use, and whether they live. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, testDatabase } from '@tutti/stores/testing'
import { createDatabase, type Database } from '@tutti/workbench'
import { furnishOrchestrator, orchestratorEnv } from './orchestrator.ts'

export interface Server {
  name: string
  url: string
  documentPath: string
  healthPath: string
  /** How its refusals look: in the workbench's envelope, or the orchestrator's own form. */
  refusals: 'envelope' | 'plain'
  /** For its user, or whoever else it lets in. */
  headers: Record<string, string>
  /** What there is, by the parameter that names it: else handlers would only be seen refusing what nobody has. */
  known: Record<string, string>
  /** Everything that it has written so far. */
  log(): string
  residentMb(): Promise<number>
  alive(): boolean
}

export interface Processes {
  servers: Server[]
  database: Database
  /** What none of them may ever say. */
  secrets: string[]
  close(): Promise<void>
}

const secrets = {
  internal: 'internal-token-that-must-not-leak',
  client: 'client-token-that-must-not-leak',
  worker: 'worker-token-that-must-not-leak',
  key: 'secret-key-that-must-not-leak-'.repeat(2),
  model: 'model-key-that-must-not-leak',
}

const main = (app: string): string => fileURLToPath(new URL(`../../apps/${app}/src/main.ts`, import.meta.url))

export const startProcesses = async (): Promise<Processes> => {
  const made = await testDatabase()
  const database = createDatabase({ connectionString: made.connectionString, connections: 2 })
  const root = await mkdtemp(join(tmpdir(), 'tutti-fuzz-'))
  const children: ChildProcess[] = []
  const start = async (
    name: string,
    env: Record<string, string>,
    given: Pick<Server, 'headers'> & Partial<Server>,
  ): Promise<Server> => {
    const port = String(await freePort())
    const child = spawn(process.execPath, [main(name)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...{ PATH: process.env.PATH, LOG_LEVEL: 'INFO', OBJECTS_DIR: join(root, 'objects') },
        ...{ INTERNAL_API_TOKEN: secrets.internal, ANTHROPIC_API_KEY: secrets.model, ...env },
        ...{ PORT: port, MANAGER_PORT: port, API_PORT: port },
      },
    })
    children.push(child)
    let log = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        log += text
      })
    const url = `http://127.0.0.1:${port}`
    const { healthPath = '/health' } = given
    const alive = (): boolean => child.exitCode === null && child.signalCode === null
    for (;;) {
      if (!alive()) throw new Error(`${name} did not start: ${log}`)
      const healthy = await fetch(url + healthPath).then(
        ({ ok }) => ok,
        () => false,
      )
      if (healthy) break
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const residentMb = async (): Promise<number> => {
      const [, kilobytes = '0'] = /^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${child.pid}/status`, 'utf8')) ?? []
      return Number(kilobytes) / 1024
    }
    const usual = { documentPath: '/openapi.json', healthPath, refusals: 'envelope', known: {} } as const
    return { ...usual, ...given, name, url, log: () => log, residentMb, alive }
  }
  const backend = await start(
    'backend',
    {
      ...{
        HOST: '0.0.0.0',
        DATABASE_URL: made.connectionString,
        SECRET_KEY: secrets.key,
        CLIENT_TOKEN: secrets.client,
      },
    },
    { headers: { authorization: `Bearer ${secrets.client}`, 'x-internal-token': secrets.internal } },
  )
  const manager = await start(
    'executor-manager',
    {
      ...{ TUTTI_ENV: 'development', SANDBOX: 'none', SANDBOX_POOL: '0', WORKSPACE_ROOT: join(root, 'workspaces') },
      ...{ TASK_PULL_ENABLED: 'false', BACKEND_URL: backend.url },
    },
    { headers: { 'x-internal-token': secrets.internal } },
  )
  const orchestrator = await start(
    'orchestrator',
    await orchestratorEnv({ root, connectionString: made.connectionString, ...secrets }),
    {
      ...{ documentPath: '/_public/openapi.json', healthPath: '/_public/health', refusals: 'plain' },
      headers: { 'x-client-token': secrets.client, 'x-worker-token': secrets.worker },
    },
  )
  orchestrator.known = await furnishOrchestrator(orchestrator).catch((error: unknown) => {
    // Nobody could end them later.
    for (const child of children) child.kill('SIGKILL')
    throw error
  })
  return {
    servers: [backend, manager, orchestrator],
    database,
    secrets: [...Object.values(secrets), made.connectionString],
    close: async () => {
      for (const child of children) {
        if (child.exitCode !== null) continue
        const gone = once(child, 'exit')
        child.kill('SIGTERM')
        const patience = setTimeout(() => child.kill('SIGKILL'), 10_000)
        await gone
        clearTimeout(patience)
      }
      await database.close()
      await made.drop()
      await rm(root, { recursive: true, force: true })
    },
  }
}
