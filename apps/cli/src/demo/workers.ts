/** The demo's two worker processes, as a person would start them: `tutti worker FILE`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { tuttiProgram } from '../repository.ts'
import { end } from '../stack/child.ts'
import type { Environment } from '../stack/process.ts'

export interface WorkerProcess {
  id: string
  pid(): number
  /** Lets it finish its tasks, then ends it. */
  stop(): Promise<void>
}

export interface WorkerProcessOptions {
  id: string
  file: string
  env: Environment
  onDeath: (error: Error) => void
}

export const startWorkerProcess = ({ id, file, env, onDeath }: WorkerProcessOptions): WorkerProcess => {
  let stopping = false
  let child: ChildProcess
  const launch = (): void => {
    child = spawn(process.execPath, [tuttiProgram, 'worker', file], {
      env: { LOG_LEVEL: 'WARNING', ...env, WORKER_ID: id },
      stdio: ['ignore', 2, 2, 'ipc'],
      // Ctrl+C in a terminal goes to a whole process group; they are stopped before the servers instead, not with them.
      detached: true,
    })
    child.once('exit', (code, signal) => {
      if (stopping) return
      // Ended from outside it is started again, as a service manager would; one that gives up by itself says why.
      if (signal || code === 0) launch()
      else onDeath(new Error(`the worker ${id} ended with exit code ${code}; its reason is above`))
    })
  }
  launch()
  return {
    id,
    pid: () => child.pid ?? 0,
    stop: () => {
      stopping = true
      return end(child)
    },
  }
}
