import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { Running } from './supervise.ts'

/** A child process of ours, just started, as something to supervise. */
export function runningChild(child: ChildProcess & { stdout: Readable; stderr: Readable; pid: number }): Running {
  return {
    ...{ pid: child.pid, stdout: child.stdout, stderr: child.stderr },
    ended: new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }))
    }),
  }
}
