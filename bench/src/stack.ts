/** `tutti up` as a process of its own: how long until it answers, and how much memory it then holds. */

import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '@tutti/stores/testing'
import { type Figure, figure } from './measure.ts'
import { scratchFolder } from './scratch.ts'

const tutti = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url))

export interface ScratchStack {
  child: ChildProcess
  apiUrl: string
  backendUrl: string
  managerUrl: string
  clientToken: string
  stop(): Promise<void>
}

/** Without a model's key, so that the scripted model answers. */
export const startScratchStack = async (dataDir: string, more: Record<string, string> = {}): Promise<ScratchStack> => {
  const managerPort = await freePort()
  const { ANTHROPIC_API_KEY: _key, ANTHROPIC_AUTH_TOKEN: _token, ...env } = process.env
  const child = spawn(
    process.execPath,
    [tutti, 'up', '--data-dir', dataDir, '--api-port', '0', '--port', '0', '--manager-port', String(managerPort)],
    { env: { ...env, LOG_LEVEL: 'ERROR', ...more }, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('Tutti is up')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`tutti up ended with ${code}`)))
  })
  const read = async (name: string) => JSON.parse(await readFile(join(dataDir, name), 'utf8')) as Record<string, string>
  const [running, secrets] = await Promise.all([read('running.json'), read('secrets.json')])
  return {
    child,
    apiUrl: running.apiUrl ?? '',
    backendUrl: running.backendUrl ?? '',
    managerUrl: `http://127.0.0.1:${managerPort}`,
    clientToken: secrets.clientToken ?? '',
    stop: () =>
      new Promise((resolve) => {
        child.removeAllListeners('exit')
        child.once('exit', () => resolve())
        child.kill('SIGTERM')
      }),
  }
}

export const up = (quick: boolean): Promise<Figure[]> =>
  scratchFolder(async (folder) => {
    const first: number[] = []
    const again: number[] = []
    const memory: number[] = []
    for (let n = 0; n < (quick ? 2 : 5); n += 1) {
      const dataDir = join(folder, `data-${n}`)
      for (const samples of [first, again]) {
        const before = performance.now()
        const stack = await startScratchStack(dataDir)
        samples.push(performance.now() - before)
        const status = await readFile(`/proc/${stack.child.pid}/status`, 'utf8')
        memory.push(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024)
        await stack.stop()
      }
    }
    return [
      figure('up: first start, database included', 'ms', first),
      figure('up: start on existing data', 'ms', again),
      figure('up: resident memory of the one process', 'MB', memory),
    ]
  })
