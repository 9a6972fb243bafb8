/** A server in a process of its own, started again when it dies. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Logger } from '@tutti/telemetry'
import type { Environment, RunningServer } from './process.ts'

const tutti = fileURLToPath(new URL('../main.ts', import.meta.url))

export interface ChildOptions {
  name: 'orchestrator' | 'backend' | 'executor-manager'
  env: Environment
  log: Logger
  /** Resolves when the server answers; asked again and again. */
  ready: () => Promise<boolean>
  onRestart: () => void
}

const readyWithinMs = 30_000
const pollMs = 50
const firstPauseMs = 200
const longestPauseMs = 10_000
/** A server that lived this long was well: its next death starts the back-off from the beginning. */
const wellMs = 30_000
const stopWithinMs = 30_000

/** @throws when the server has ended before it was ready, or was not ready in time */
export const startChild = async (options: ChildOptions): Promise<RunningServer> => {
  const { name, log } = options
  let stopping = false
  let pause = firstPauseMs
  let child = launch(options)
  let bornAt = Date.now()

  const watch = (current: ChildProcess): void => {
    current.once('exit', (code, signal) => {
      if (stopping || current !== child) return
      pause = Date.now() - bornAt > wellMs ? firstPauseMs : Math.min(pause * 2, longestPauseMs)
      log.warn({ code, signal, restart_in_ms: pause }, `${name} ended unexpectedly and is started again`)
      setTimeout(() => {
        if (stopping) return
        child = launch(options)
        bornAt = Date.now()
        watch(child)
        options.onRestart()
      }, pause)
    })
  }
  await untilReady(options, child)
  watch(child)
  return {
    name,
    pid: () => child.pid ?? 0,
    stop: async () => {
      stopping = true
      await end(child)
    },
  }
}

const launch = ({ name, env }: ChildOptions): ChildProcess =>
  // The channel tells the child when this process dies, however it dies: nothing is left running.
  spawn(process.execPath, [tutti, name], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })

const untilReady = async ({ name, ready }: ChildOptions, child: ChildProcess): Promise<void> => {
  const until = Date.now() + readyWithinMs
  while (!(await ready())) {
    if (child.exitCode !== null) throw new Error(`${name} ended with exit code ${child.exitCode}; its reason is above`)
    if (Date.now() > until) {
      await end(child)
      throw new Error(`${name} was not ready within ${readyWithinMs / 1000} s`)
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

const end = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve()
      return
    }
    const force = setTimeout(() => child.kill('SIGKILL'), stopWithinMs)
    child.once('exit', () => {
      clearTimeout(force)
      resolve()
    })
    child.kill('SIGTERM')
  })
