/**
 * Any orchestrator, seen from outside: one that the environment names, else one that is started for the tests of a file.
 * What the named one must have stands in `test/wire/README.md`.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { registerBlueprints } from './blueprints.ts'
import { namedTarget, prepareTarget, type Target } from './target.ts'

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any
}

export type Send = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>

export interface Wire {
  url: string
  /** A request of a client, below /api/v1. */
  client: Send
  /** A request of a worker, below /_worker, with the global token. A text is sent as it is. */
  worker: Send
  /** A worker that has a token of its own. */
  own: { id: string; token: string }
  globalToken: string
}

export const openWire = async (): Promise<Wire> => {
  const { url, clientToken, workerToken, ownWorker } = await openTarget()
  const [id = '', token = ''] = ownWorker.split(':')
  return {
    url,
    client: sender(`${url}/api/v1`, { 'x-client-token': clientToken }),
    worker: sender(`${url}/_worker`, { 'x-worker-token': workerToken }),
    own: { id, token },
    globalToken: workerToken,
  }
}

let served = false
let opened: Promise<Target> | undefined
const closers: (() => Promise<unknown>)[] = []

/** At the top of each file of tests: it gets one server for all of them, which ends with the file. */
export const serveThisFile = (): void => {
  served = true
  afterAll(async () => {
    served = false
    opened = undefined
    for (const close of closers.splice(0).reverse()) await close()
  })
}

/** Each test makes up its own skills, workers and jobs, so they don't meet. */
export const openTarget = (): Promise<Target> => {
  if (!served) throw new Error('nobody would end the server: call serveThisFile() at the top of the file')
  opened ??= open()
  return opened
}

const open = async (): Promise<Target> => {
  const named = namedTarget(process.env)
  const target = named ?? (await start())
  await registerBlueprints(sender(`${target.url}/api/v1`, { 'x-client-token': target.operatorToken }))
  return target
}

const start = async (): Promise<Target> => {
  const folder = await mkdtemp(join(tmpdir(), 'wire-'))
  closers.push(() => rm(folder, { recursive: true, force: true }))
  const { env, target } = await prepareTarget(folder)
  const { DATABASE_URL } = process.env
  // Only here: the tests of a named server do without ours, and are loaded in half the time.
  const { startOrchestrator } = await import('@tutti/orchestrator')
  const server = await startOrchestrator({ ...env, DATABASE_URL, STORAGE: DATABASE_URL ? '' : 'memory' })
  closers.push(server.stop)
  return target
}

export const sender =
  (base: string, always: Record<string, string> = {}): Send =>
  async (method, path, body, headers = {}) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    const response = await fetch(base + path, {
      method,
      redirect: 'manual',
      headers: { ...(text === undefined ? {} : { 'content-type': 'application/json' }), ...always, ...headers },
      ...(text === undefined ? {} : { body: text }),
    })
    const said = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    return { status: response.status, headers: response.headers, body: isJson && said ? JSON.parse(said) : said }
  }
