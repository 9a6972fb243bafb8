/** One of our programs as a process that is killed, stopped for a while and started again, as a supervisor does it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { repositoryRoot } from '../../apps/cli/src/repository.ts'

export interface LogLine {
  level: string
  msg: string
  session_id?: string
  run_id?: string
  [field: string]: unknown
}

export interface Program {
  readonly name: string
  /** 0 while it is not running. */
  pid(): number
  start(): void
  /** As a power cut ends it. @returns false when it was not running */
  kill(): Promise<boolean>
  freeze(): boolean
  thaw(): void
  /** In order; kills it after `patienceMs`. @returns whether it ended by itself */
  stop(patienceMs: number): Promise<boolean>
}

export interface ProgramOptions {
  name: string
  app: 'backend' | 'executor-manager' | 'orchestrator'
  env: Record<string, string>
  heard: (line: LogLine) => void
  /** It ended, and nobody had asked for that. It is started again after a moment. */
  fell: (how: string) => void
}

/** Between the end of a process that nobody ended and its next start. */
const supervisorPauseMs = 300

/** Of what it said last that is no line of its log. */
const lastLines = 12

export const createProgram = ({ name, app, env, heard, fell }: ProgramOptions): Program => {
  let child: ChildProcess | undefined
  let again: NodeJS.Timeout | undefined
  let wanted = false
  const running = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null

  const start = (): void => {
    wanted = true
    if (running()) return
    const started = spawn(process.execPath, [join(repositoryRoot, 'apps', app, 'src', 'main.ts')], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child = started
    const last: string[] = []
    const read = (text: string): void => {
      const line = parsed(text)
      if (line !== undefined) heard(line)
      else last.push(text)
      if (last.length > lastLines) last.shift()
    }
    for (const stream of [started.stdout, started.stderr]) createInterface({ input: stream }).on('line', read)
    started.once('exit', (code, signal) => {
      if (!wanted || child !== started) return
      fell(`${name} ended by itself (${signal ?? code}): ${last.join(' | ')}`)
      again = setTimeout(start, supervisorPauseMs)
    })
  }
  const end = async (signal: NodeJS.Signals): Promise<boolean> => {
    wanted = false
    clearTimeout(again)
    if (!child || !running()) return false
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
    return true
  }
  const freeze = (): boolean => running() && child?.kill('SIGSTOP') === true
  const thaw = (): void => {
    if (running()) child?.kill('SIGCONT')
  }
  return {
    name,
    pid: () => (running() ? (child?.pid ?? 0) : 0),
    start,
    kill: () => end('SIGKILL'),
    freeze,
    thaw,
    stop: async (patienceMs) => {
      thaw()
      let forced = false
      const impatience = setTimeout(() => {
        forced = true
        child?.kill('SIGKILL')
      }, patienceMs)
      await end('SIGTERM')
      clearTimeout(impatience)
      return !forced
    },
  }
}

const parsed = (text: string): LogLine | undefined => {
  try {
    const line: unknown = JSON.parse(text)
    return typeof line === 'object' && line !== null && 'level' in line ? (line as LogLine) : undefined
  } catch {
    return undefined
  }
}
