/** The terminals of a guide: one for its commands, and one of its own for each server that stays up. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Block } from './blocks.ts'

const execute = promisify(execFile)

export interface Terminal {
  folder: string
  env: NodeJS.ProcessEnv
  /** Of the guide, for messages. */
  path: string
  /** Each stops one that was started, as Ctrl+C does. */
  servers: (() => Promise<void>)[]
}

/** @returns what it printed */
export const runProgram = async ({ folder, env, path }: Terminal, block: Block): Promise<string> => {
  const file = join(folder, `line-${block.line}.${block.language}`)
  await writeFile(file, block.language === 'ts' ? block.text : inOneTerminal(block.text))
  const program = block.language === 'ts' ? process.execPath : 'bash'
  try {
    const { stdout } = await execute(program, [file], { cwd: folder, env, timeout: 150_000 })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`${path}:${block.line} failed:\n${stdout}${stderr}`, { cause: error })
  }
}

/** Resolves when it has printed this. */
export const startServer = async (
  { folder, env, path, servers }: Terminal,
  block: Block,
  ready: RegExp,
): Promise<void> => {
  const file = join(folder, `line-${block.line}.sh`)
  await writeFile(file, withItsState(block.text))
  // A group of its own: npx hands no Ctrl+C on, a terminal sends it to all.
  const server = spawn('bash', [file], { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(server, 'close')
  servers.push(() => interrupt(server, ended))
  let printed = ''
  await new Promise<void>((resolve, reject) => {
    const fail = (what: string): void => reject(new Error(`${path}:${block.line} ${what} ${ready}:\n${printed}`))
    const tooLate = setTimeout(() => fail('has not printed'), 45_000)
    for (const stream of [server.stdout, server.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        printed += text
        if (ready.test(printed)) resolve()
      })
    ended.then(() => fail('ended and did not print'), reject)
    ended.finally(() => clearTimeout(tooLate)).catch(() => {})
  })
}

const interrupt = async (server: ChildProcess, ended: Promise<unknown>): Promise<void> => {
  if (!signalGroup(server, 'SIGINT')) return
  const stubborn = new AbortController()
  await Promise.race([ended, wait(20_000, undefined, { signal: stubborn.signal }).catch(() => {})])
  stubborn.abort()
  signalGroup(server, 'SIGKILL')
}

/** @returns whether anybody was there to hear it */
const signalGroup = ({ pid }: ChildProcess, signal: NodeJS.Signals): boolean => {
  try {
    return pid !== undefined && process.kill(-pid, signal)
  } catch {
    return false
  }
}

/** A guide's commands are one terminal: what one block sets, the next one has. */
const inOneTerminal = (commands: string): string =>
  `${withItsState(commands)}\nset +a\ndeclare -px >.state\ndeclare -f >>.state\n`

const withItsState = (commands: string): string => `set -euo pipefail\n[ -f .state ] && . ./.state\nset -a\n${commands}`
