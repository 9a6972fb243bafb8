/** A backend and executor managers, each a real process, with a gate between them where a request can be held. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createScriptedModel } from '@tutti/agents/scripted'
import { freePort, testDatabase } from '@tutti/stores/testing'
import { vi } from 'vitest'

/** What happens to a request on its way: it passes, or waits at the gate for ever. */
export type Gate = (step: { path: string; body: string; answer?: string }) => 'pass' | 'hold'

export interface ManagerProcess {
  child: ChildProcess
  /** Where its sessions' workspaces are. */
  workspaceRoot: string
  /** Ends it as a power cut does. */
  kill(): Promise<void>
}

export interface Session {
  session_id: string
  run_id: string
}

export interface Workbench {
  /** Folder from which a message may have files copied. */
  folders: string
  objects: string
  /** The address of the backend’s PostgreSQL. */
  database: string
  /** A manager on a host of its own; `host` names one that was there before. */
  manager(worker: string, gate?: Gate, host?: string): Promise<ManagerProcess>
  send(prompt: string, more?: object): Promise<Session>
  get<T>(path: string): Promise<T>
  until<T>(look: () => Promise<T | undefined | false>): Promise<T>
  close(): Promise<void>
}

const main = (app: string): string => fileURLToPath(new URL(`../../apps/${app}/src/main.ts`, import.meta.url))
const token = 'internal-token-of-the-kill-tests-0001'

export const startWorkbench = async (): Promise<Workbench> => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'tutti-kill-')))
  const database = await testDatabase()
  const model = await createScriptedModel({ key: 'a-key' })
  const children = new Set<ChildProcess>()
  const gates: Server[] = []
  const objects = join(root, 'objects')
  const folders = join(root, 'folders')
  mkdirSync(folders)

  const run = (app: string, env: Record<string, string>): ChildProcess => {
    const child = spawn(process.execPath, [main(app)], {
      stdio: ['ignore', process.env.TUTTI_TEST_LOG ? 'inherit' : 'ignore', 'inherit'],
      env: { PATH: process.env.PATH, INTERNAL_API_TOKEN: token, OBJECTS_DIR: objects, LOG_LEVEL: 'WARNING', ...env },
    })
    children.add(child)
    child.once('exit', () => children.delete(child))
    return child
  }
  const kill = async (child: ChildProcess): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  const backend = `http://127.0.0.1:${await freePort()}`
  run('backend', {
    ...{
      HOST: '127.0.0.1',
      PORT: new URL(backend).port,
      DATABASE_URL: database.connectionString,
      SECRET_KEY: 's'.repeat(32),
    },
  })
  const until: Workbench['until'] = (look) =>
    vi.waitFor(
      async () => {
        const found = await look()
        if (found === undefined || found === false) throw new Error('not yet')
        return found
      },
      { interval: 20, timeout: 60_000 },
    )
  await until(() =>
    fetch(`${backend}/health`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )

  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`${backend}/api/v1${path}`)
    const { code, data } = (await response.json()) as { code: number; data: T }
    if (code !== 0) throw new Error(`${path}: ${code}`)
    return data
  }

  return {
    folders,
    objects,
    database: database.connectionString,
    manager: async (worker, gate = () => 'pass', host = worker) => {
      const server = await openGate(backend, gate)
      gates.push(server)
      const workspaceRoot = join(root, host)
      const child = run('executor-manager', {
        ...{ BACKEND_URL: addressOf(server), WORKER_ID: worker, WORKSPACE_ROOT: workspaceRoot, MANAGER_PORT: '0' },
        SANDBOX_POOL: '0',
        // At work it asks for no more: a poll that a sleeping manager left open could be handed its own run again.
        MAX_CONCURRENT_TASKS: '1',
        ...{ ANTHROPIC_BASE_URL: model.url, ANTHROPIC_AUTH_TOKEN: 'a-key', STAGING_ROOTS: folders },
        // The shortest there is: the tests wait for it.
        TASK_CLAIM_LEASE_SECONDS: '5',
      })
      return { child, workspaceRoot, kill: () => kill(child) }
    },
    send: async (prompt, more = {}) => {
      const response = await fetch(`${backend}/api/v1/tasks`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt, permission_mode: 'bypassPermissions', ...more }),
      })
      return ((await response.json()) as { data: Session }).data
    },
    get,
    until,
    close: async () => {
      await Promise.all([...children].map(kill))
      for (const server of gates) {
        server.closeAllConnections()
        server.close()
      }
      await model.close()
      await database.drop()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

const openGate = async (backend: string, gate: Gate): Promise<Server> => {
  const pass = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const path = incoming.url ?? ''
    const body = await textOf(incoming)
    if (gate({ path, body }) === 'hold') return
    const onward = request(backend + path, { method: incoming.method, headers: incoming.headers })
    outgoing.on('close', () => onward.destroy())
    onward.end(body)
    const [answer] = (await once(onward, 'response')) as [IncomingMessage]
    const said = await textOf(answer)
    if (gate({ path, body, answer: said }) === 'hold') return
    outgoing.writeHead(answer.statusCode ?? 500, answer.headers).end(said)
  }
  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => outgoing.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

const textOf = async (incoming: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of incoming.setEncoding('utf8')) text += chunk
  return text
}

const addressOf = (server: Server): string => {
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

/** A prompt that says what the model does. */
export const script = (steps: object[]): string => `\`\`\`scripted\n${JSON.stringify(steps)}\n\`\`\``
export const bash = (command: string): object => ({ tool: 'Bash', input: { command } })
