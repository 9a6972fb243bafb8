/** Backends over a real PostgreSQL, listening on real ports, and readers on real WebSockets. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClaimedRun, SessionFrame } from '@tutti/contracts'
import { type Blueprint, createEngine, type Engine } from '@tutti/engine'
import { createLocalObjects, type LocalObjects, type LocalObjectsDeps } from '@tutti/objects'
import { checkAnswers } from '@tutti/openapi/testing'
import { createMemoryStore } from '@tutti/stores'
import { testDatabase } from '@tutti/stores/testing'
import { silentLogger } from '@tutti/telemetry'
import {
  agentRunBlueprint,
  createDatabase,
  createWorkbench,
  type Database,
  type Workbench,
  type WorkbenchOptions,
} from '@tutti/workbench'
import type { BackendDeps } from '../../src/deps.ts'
import { type Backend, createBackend, type GivenSettings, objectsPath } from '../../src/index.ts'

export const internalToken = 'internal-token'

export interface Answer {
  status: number
  body: { code: number; message: string; data: Record<string, unknown> | unknown[] | null }
}

export interface Running {
  backend: Backend
  workbench: Workbench
  address: string
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>
  send(method: string, path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>
  get(path: string, headers?: Record<string, string>): Promise<Answer>
  /** As the executor manager. */
  manage(path: string, body: unknown): Promise<Answer>
}

type More = Pick<BackendDeps, 'models'> & Partial<Pick<BackendDeps, 'log'>> & Pick<WorkbenchOptions, 'offersModel'>

type StageDeps = LocalObjectsDeps & { blueprints?: Blueprint[] }

export interface Stage {
  /** Of a process beside the backends: an orchestrator's. Jobs are the same in all of them. */
  engine: Engine
  database: Database
  objects: LocalObjects
  /** Where they lie on disk. */
  objectsRoot: string
  backend(settings?: Partial<GivenSettings>, more?: More): Promise<Running>
  /** @throws Error when an answer was not as the OpenAPI document says */
  close(): Promise<void>
}

export const createStage = async ({ blueprints = [], ...localDeps }: StageDeps = {}): Promise<Stage> => {
  const testDb = await testDatabase('workbench')
  const database = createDatabase({ connectionString: testDb.connectionString, connections: 20 })
  const store = createMemoryStore()
  const folder = await mkdtemp(join(tmpdir(), 'tutti-backend-'))
  const objects = createLocalObjects(
    { root: folder, publicUrl: `http://backend.test${objectsPath}`, secret: 'signing-secret' },
    localDeps,
  )
  const beside = createEngine({ store, blueprints })
  beside.start()
  const stops: (() => Promise<void>)[] = [() => beside.stop()]
  const answerFaults: (() => string[])[] = []
  return {
    engine: beside,
    database,
    objects,
    objectsRoot: folder,
    backend: async (settings = {}, { models, offersModel, log = silentLogger } = {}) => {
      const engine = createEngine({ store, blueprints: [agentRunBlueprint, ...blueprints] })
      engine.start()
      const workbench = createWorkbench({
        ...{ database, engine, store, log: silentLogger, ownerOf: () => 'default', objects },
        secretKeys: { current: 'key-of-tests-'.repeat(3) },
        ...(offersModel === undefined ? {} : { offersModel }),
      })
      await workbench.start()
      const config = { host: '127.0.0.1', userId: 'default', clientToken: null, internalToken, ...settings }
      const backend = createBackend({
        ...{ workbench, objects, config, log, version: 'test' },
        ...(models === undefined ? {} : { models }),
      })
      answerFaults.push(checkAnswers(backend.app))
      const address = `http://127.0.0.1:${await backend.listen(0)}`
      stops.push(async () => {
        await backend.close()
        await workbench.stop()
        await engine.stop()
      })
      const call = async (path: string, init: RequestInit): Promise<Answer> => {
        const response = await fetch(address + path, init)
        return { status: response.status, body: (await response.json()) as Answer['body'] }
      }
      const send: Running['send'] = (method, path, body, headers = {}) =>
        call(path, {
          method,
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify(body),
        })
      const post: Running['post'] = (path, body, headers) => send('POST', path, body, headers)
      return {
        send,
        backend,
        workbench,
        address,
        post,
        get: (path, headers = {}) => call(path, { headers }),
        manage: (path, body) => post(`/api/v1/runs${path}`, body, { 'x-internal-token': internalToken }),
      }
    },
    close: async () => {
      for (const stop of stops) await stop()
      await database.close()
      await testDb.drop()
      await rm(folder, { recursive: true, force: true })
      const faults = answerFaults.flatMap((look) => look())
      if (faults.length > 0) throw new Error(`answers that the OpenAPI document does not know:\n${faults.join('\n')}`)
    },
  }
}

/** Uploads a file, as a browser does. */
export const upload = async (
  { address }: Pick<Running, 'address'>,
  name: string,
  content: string | Buffer<ArrayBuffer>,
  type = 'text/plain',
): Promise<Answer> => {
  const form = new FormData()
  form.append('file', new Blob([content], { type }), name)
  const response = await fetch(`${address}/api/v1/attachments/upload`, { method: 'POST', body: form })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}

/** Sends a message, and claims its run as manager-1. */
export const claimNew = async (backend: Running, prompt = 'hello'): Promise<ClaimedRun> => {
  const created = await backend.post('/api/v1/tasks', { prompt })
  if (created.status !== 200) throw new Error(`task: ${JSON.stringify(created)}`)
  const claimed = await backend.manage('/claim', {
    worker_id: 'manager-1',
    boot_id: 'boot-1',
    lease_seconds: 60,
    wait_seconds: 20,
  })
  if (claimed.body.data === null) throw new Error('nothing to claim')
  return claimed.body.data as unknown as ClaimedRun
}

export const holder = (run: ClaimedRun) => ({
  worker_id: 'manager-1',
  lease_token: run.lease_token,
  attempt: run.attempt,
})

export interface Reader {
  socket: WebSocket
  frames: SessionFrame[]
  /** Resolves when enough frames have come. */
  until(done: (frames: SessionFrame[]) => boolean): Promise<SessionFrame[]>
  closed: Promise<{ code: number }>
}

export const read = (address: string, path: string, headers: Record<string, string> = {}): Reader => {
  // The second argument is Node's own: browsers can't set headers.
  const options = { headers } as unknown as string[]
  const socket = new WebSocket(address.replace('http', 'ws') + path, options)
  const frames: SessionFrame[] = []
  const waiters = new Set<() => void>()
  const closed = new Promise<{ code: number }>((resolve) => {
    socket.addEventListener('close', ({ code }) => resolve({ code }))
  })
  socket.addEventListener('message', ({ data }) => {
    frames.push(JSON.parse(String(data)) as SessionFrame)
    for (const waiter of [...waiters]) waiter()
  })
  socket.addEventListener('error', () => {})
  return {
    socket,
    frames,
    closed,
    until: (done) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!done(frames)) return
          waiters.delete(check)
          resolve(frames)
        }
        waiters.add(check)
        check()
      }),
  }
}
