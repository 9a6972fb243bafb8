/** A whole orchestrator, told everything by its environment, and what callers see of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Blueprint } from '@tutti/engine'
import { type SharedParts, startOrchestrator } from '@tutti/orchestrator'
import { onTestFinished } from 'vitest'

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any
}

export interface Server {
  port: number
  get(path: string, headers?: Record<string, string>): Promise<Answer>
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** A text is sent as it is. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  stop(): Promise<void>
}

const quiet = { STORAGE: 'memory', API_HOST: '127.0.0.1', API_PORT: '0', LOG_LEVEL: 'ERROR', TUTTI_ENV: 'development' }
const tokens = { 'x-client-token': 'secure-orchestrator-token', 'x-worker-token': 'secure-worker-token' }

export const serve = async (
  env: Record<string, string>,
  { blueprints = [], store }: { blueprints?: Blueprint[]; store?: SharedParts['store'] } = {},
): Promise<Server> => {
  const { port, stop } = await startOrchestrator({ ...quiet, ...env }, { blueprints, ...(store ? { store } : {}) })
  return { port, ...caller(`http://${env.API_HOST ?? quiet.API_HOST}:${port}`), stop: stopOnce(stop) }
}

/** Stops by itself after the test, unless the test has done so. */
export const stopOnce = (stop: () => Promise<void>): (() => Promise<void>) => {
  let stopped: Promise<void> | undefined
  const once = (): Promise<void> => {
    stopped ??= stop()
    return stopped
  }
  onTestFinished(once)
  return once
}

/** @param own headers of every call */
export const caller = (url: string, own: Record<string, string> = tokens): Pick<Server, 'get' | 'post' | 'send'> => {
  const send = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> => {
    const response = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: { ...own, ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const said = await response.text()
    const { status } = response
    return {
      status,
      headers: response.headers,
      body: /^application\/json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(said) : said,
    }
  }
  return {
    send,
    get: (path, headers = {}) => send('GET', path, undefined, headers),
    post: (path, body, headers = {}) => send('POST', path, body, headers),
  }
}

/** A folder of its own, gone after the test. */
export const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'tutti-variables-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A file of its own, gone after the test. */
export const file = (name: string, content: string): string => {
  const path = join(folder(), name)
  writeFileSync(path, content)
  return path
}

/** Asks again until there is something: for what happens by itself after a while. */
export const until = async <T>(look: () => Promise<T | undefined | false>): Promise<T> => {
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A server as a process of its own, until it answers at the address. */
export const startProcess = async (
  app: '@tutti/orchestrator' | '@tutti/backend',
  address: string,
  env: Record<string, string>,
): Promise<ChildProcess> => {
  const main = fileURLToPath(import.meta.resolve(app).replace(/index\.ts$/, 'main.ts'))
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await until(async () => (await fetch(address).catch(() => undefined))?.status === 200)
  return child
}

/** The orchestrator itself. */
export const start = (port: number, env: Record<string, string>): Promise<ChildProcess> =>
  startProcess('@tutti/orchestrator', `http://127.0.0.1:${port}/_public/status`, {
    ...{ STORAGE: 'memory', API_HOST: '127.0.0.1', API_PORT: String(port), ...env },
  })

/** What the process has written on its standard output from start to end. */
export const written = async (port: number, env: Record<string, string>): Promise<string[]> => {
  const child = await start(port, env)
  child.kill('SIGTERM')
  return (child.stdout ? await text(child.stdout) : '').split('\n').filter((line) => line !== '')
}
