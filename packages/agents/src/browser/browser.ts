/**
 * The browser of a turn: a Chromium of its own in the sandbox, which the agent uses through Playwright's MCP server and
 * which can be looked at from beside. Its debugging port listens on loopback only, of the sandbox, with what runs in it.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { record, records, text } from '../loose.ts'
import { capture } from './capture.ts'

export interface BrowserConfig {
  /** Chromium, or what is built from it. */
  executable: string
  viewport: { width: number; height: number }
  env: Readonly<Record<string, string | undefined>>
}

export interface Browser {
  /** Where its debugging protocol is spoken. */
  endpoint: string
  /** The page in front, as PNG; undefined where there is none. Rejects where the browser has gone. */
  screenshot(): Promise<Buffer | undefined>
  close(): Promise<void>
}

/** A cold start of Chromium takes half a second, on a busy machine ten times that. */
const startMs = 30_000

/** Resolves when it can be used. Rejects with what it said last, where it does not start. */
export const openBrowser = async ({ executable, viewport, env }: BrowserConfig): Promise<Browser> => {
  const profile = await mkdtemp(join(tmpdir(), 'browser-'))
  const child = spawn(
    executable,
    [
      '--headless=new',
      // Its own sandbox needs user namespaces, which ours does not give. Ours is around it.
      '--no-sandbox',
      ...['--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync', '--disable-crash-reporter', '--hide-scrollbars'],
      ...['--remote-debugging-port=0', `--user-data-dir=${profile}`],
      `--window-size=${viewport.width},${viewport.height}`,
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...env } },
  )
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (data: string) => {
    said = (said + data).slice(-1_000)
  })
  const gone = new Promise<void>((resolve) => child.once('error', () => resolve()).once('close', () => resolve()))
  const close = async (): Promise<void> => {
    child.kill('SIGKILL')
    await gone
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  }
  const port = await Promise.race([portOf(profile), gone.then(() => undefined)])
  if (port === undefined) {
    await close()
    throw new Error(`The browser ${executable} did not start. ${said}`)
  }
  const endpoint = `http://127.0.0.1:${port}`
  return {
    endpoint,
    screenshot: async () => {
      const targets: unknown = await (await fetch(`${endpoint}/json/list`)).json()
      // The one that was used last stands first.
      const page = records(targets).find((target) => record(target).type === 'page')
      return page === undefined ? undefined : capture(text(page.webSocketDebuggerUrl))
    },
    close,
  }
}

/** It writes the port that it has chosen into its profile. */
const portOf = async (profile: string): Promise<number | undefined> => {
  const deadline = performance.now() + startMs
  while (performance.now() < deadline) {
    const lines = await readFile(join(profile, 'DevToolsActivePort'), 'utf8').catch(() => '')
    const port = Number(lines.split('\n')[0])
    if (lines.includes('\n') && Number.isSafeInteger(port) && port > 0) return port
    await setTimeout(50)
  }
  return undefined
}
