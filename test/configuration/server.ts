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
  let stopped = false
  const once = async (): Promise<void> => {
    if (stopped) return
    stopped = true
    await stop()
  }
  onTestFinished(once)
  return { port, ...caller(`http://${env.API_HOST ?? quiet.API_HOST}:${port}`), stop: once }
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

/** A file of its own, gone after the test. */
export const file = (name: string, content: string): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tutti-variables-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

/** Asks again until there is something: for what happens by itself after a while. */
export const until = async <T>(look: () => Promise<T | undefined | false>): Promise<T> => {
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const main = fileURLToPath(import.meta.resolve('@tutti/orchestrator').replace(/index\.ts$/, 'main.ts'))

/** The process itself, until it answers on the port. */
export const start = async (port: number, env: Record<string, string>): Promise<ChildProcess> => {
  const child = spawn(process.execPath, [main], {
    env: { STORAGE: 'memory', API_HOST: '127.0.0.1', API_PORT: String(port), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const { get } = caller(`http://127.0.0.1:${port}`)
  await until(async () => (await get('/_public/status').catch(() => undefined))?.status === 200)
  return child
}

/** What the process has written on its standard output from start to end. */
export const written = async (port: number, env: Record<string, string>): Promise<string[]> => {
  const child = await start(port, env)
  child.kill('SIGTERM')
  return (child.stdout ? await text(child.stdout) : '').split('\n').filter((line) => line !== '')
}
