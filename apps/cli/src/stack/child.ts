/** A server in a process of its own, started again when it dies. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Logger } from '@tutti/telemetry'
import { tuttiProgram } from '../repository.ts'
import type { Environment, RunningServer } from './process.ts'

export interface ChildOptions {
  name: 'orchestrator' | 'backend' | 'executor-manager'
  env: Environment
  log: Logger
  /** Ends the wait for its start. */
  signal: AbortSignal | undefined
  /** Resolves when the server answers; asked again and again. */
  ready: () => Promise<boolean>
  onRestart: () => void
}

/** A server ended while it started. It has said why on stderr, and its exit code says what kind of fault it was. */
export class ServerEndedError extends Error {
  override readonly name = 'ServerEndedError'
  readonly exitCode: number

  constructor(server: string, { exitCode, signalCode }: ChildProcess) {
    super(
      exitCode === null
        ? `${server} was killed (${signalCode}) while it started`
        : `${server} ended with exit code ${exitCode}; its reason is above`,
    )
    this.exitCode = exitCode || 1
  }
}

const readyWithinMs = 30_000
const pollMs = 50
const firstPauseMs = 200
const longestPauseMs = 10_000
/** A server that lived this long was well: its next death starts the back-off from the beginning. */
const wellMs = 30_000
const stopWithinMs = 30_000

/** @throws ServerEndedError when the server has ended before it was ready; also when it was not ready in time */
export const startChild = async (options: ChildOptions): Promise<RunningServer> => {
  const { name, log } = options
  let stopping = false
  let pause = firstPauseMs
  let restart: NodeJS.Timeout | undefined
  let child = launch(options)
  let bornAt = Date.now()

  const watch = (current: ChildProcess): void => {
    current.once('exit', (code, signal) => {
      if (stopping) return
      pause = Date.now() - bornAt > wellMs ? firstPauseMs : Math.min(pause * 2, longestPauseMs)
      log.warn({ code, signal, restart_in_ms: pause }, `${name} ended unexpectedly and is started again`)
      restart = setTimeout(() => {
        child = launch(options)
        bornAt = Date.now()
        watch(child)
        options.onRestart()
      }, pause)
    })
  }
  try {
    await untilReady(options, child)
  } catch (error) {
    await end(child)
    throw error
  }
  watch(child)
  return {
    name,
    pid: () => child.pid ?? 0,
    stop: async () => {
      stopping = true
      clearTimeout(restart)
      await end(child)
    },
  }
}

const launch = ({ name, env }: ChildOptions): ChildProcess =>
  spawn(process.execPath, [tuttiProgram, name], {
    env,
    // The channel tells the child when this process dies, however it dies: nothing is left running.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // Ctrl+C in a terminal goes to a whole process group; servers are stopped one after the other instead.
    detached: true,
  })

const untilReady = async ({ name, ready, signal }: ChildOptions, child: ChildProcess): Promise<void> => {
  const until = Date.now() + readyWithinMs
  for (let answers = false; !answers; ) {
    answers = await ready()
    if (hasEnded(child)) throw new ServerEndedError(name, child)
    signal?.throwIfAborted()
    if (answers) return
    if (Date.now() > until) throw new Error(`${name} was not ready within ${readyWithinMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null

/** Lets it finish what it is doing; one that takes too long is killed. */
export const end = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (hasEnded(child)) {
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
