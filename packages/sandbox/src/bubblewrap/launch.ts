import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Duplex, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { SandboxError } from '../error.ts'
import { FD } from './launcher.ts'

export interface Launch {
  child: ChildProcess & { stdout: Readable; stderr: Readable; pid: number }
  /** The sandbox's init, a pid of the host; undefined where bwrap ended before it made one. */
  init: Promise<number | undefined>
  /** True when the command runs next; false when the process ended instead. */
  ready: Promise<boolean>
}

export interface LaunchInput {
  command: readonly string[]
  arguments: readonly string[]
  seccomp: Buffer | undefined
  environment: string
}

/** Starts the process and feeds it over its descriptors. Rejects where not even the shell can be started. */
export async function launch(input: LaunchInput): Promise<Launch> {
  const [program = '', ...args] = input.command
  const child = spawn(program, args, {
    // Readable inside as /proc/1/environ where no user is dropped to: so it holds nothing of ours.
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    cwd: '/',
    // Else Ctrl-C in the manager's terminal would end the sandboxes before the manager can finish their runs.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', input.seccomp ? 'pipe' : 'ignore'],
  })
  try {
    await once(child, 'spawn')
  } catch (error) {
    throw new SandboxError('no process can be started', 'check the memory and process limits of this service', {
      cause: error,
    })
  }
  feed(child, FD.arguments, `${input.arguments.join('\0')}\0`)
  if (input.seccomp) feed(child, FD.seccomp, input.seccomp)
  const launched = feed(child, FD.launch, input.environment)
  const info = child.stdio[FD.info]
  if (!isRunning(child) || !(info instanceof Readable)) throw new Error('the child was started without its pipes')
  return { child, init: readInit(info), ready: readReady(child, launched) }
}

function feed(child: ChildProcess, fd: number, data: string | Buffer): Duplex {
  const stream = child.stdio[fd]
  if (!(stream instanceof Duplex)) throw new Error(`descriptor ${fd} is not a pipe`)
  // A child that dies early leaves its pipes unread; its exit tells more than the broken pipe.
  stream.on('error', () => {})
  stream.end(data)
  return stream
}

function isRunning(child: ChildProcess): child is Launch['child'] {
  return child.stdout !== null && child.stderr !== null && child.pid !== undefined
}

async function readInit(info: Readable): Promise<number | undefined> {
  try {
    const found: Record<string, unknown> = JSON.parse(await text(info))
    const pid = Number(found['child-pid'])
    return Number.isInteger(pid) ? pid : undefined
  } catch {
    return undefined
  }
}

function readReady(child: ChildProcess, launched: Readable): Promise<boolean> {
  return new Promise((resolve) => {
    launched.once('data', () => resolve(true))
    child.once('exit', () => {
      // What was written just before the end is still on its way.
      if (launched.readableEnded || launched.destroyed) resolve(false)
      else launched.once('close', () => resolve(false)).resume()
    })
  })
}
