import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { UserRange } from '../host/users.ts'
import type { Sandbox, SandboxDriver, SandboxExit, SandboxLimits, SandboxSpec } from '../port.ts'
import { allPids, readProc } from '../supervise/processes.ts'

/** What a suite run needs to know about an adapter. */
export interface Subject {
  /** Shown in test names. */
  name: string
  isolates: boolean
  /** Whether all attempts to get out are made, too: a minute and more. `node scripts/escapes.ts` makes them in every driver. */
  escapes?: boolean
  /** A driver of its own state directory; called once per test file and again for crash tests. */
  create(stateDir: string): SandboxDriver
  /** How another process makes the same driver: it is killed in mid-flight. */
  elsewhere: { module: string; factory: string; options: Record<string, unknown> }
}

interface Ran extends SandboxExit {
  stdout: string
  stderr: string
}

export interface Rig {
  subject: Subject
  driver: SandboxDriver
  root: string
  stateDir: string
  /** A fresh directory for one test. */
  dir(name: string): string
  spec(command: string[], more?: Partial<SandboxSpec>): SandboxSpec
  /** Starts, waits for the end, returns what it said. */
  run(command: string[], more?: Partial<SandboxSpec>): Promise<Ran>
  start(command: string[], more?: Partial<SandboxSpec>): Promise<Sandbox>
  /** Starts the sandbox from another process, which waits to be killed; `via` is a program that executes it. */
  manager(spec: SandboxSpec, via?: string[]): Promise<ChildProcess & { said: Record<string, unknown> }>
  close(): Promise<void>
}

export const NODE = '/opt/node/bin/node'
const MIB = 1024 * 1024
export const SMALL: SandboxLimits = { memoryBytes: 256 * MIB, processes: 64, diskBytes: 256 * MIB }
export const AS_ROOT = process.getuid?.() === 0

let serial = 0
export const unique = (name: string) => `${name}-${process.pid}-${++serial}`

let nextUser = 320_000 + (process.pid % 400) * 400
/** Host users of this test process alone: of two drivers with one user, each would end the other's sandboxes as its own. */
export const ownUsers = (count: number): UserRange => {
  nextUser += count
  return { first: nextUser - count, count }
}

export function createRig(subject: Subject): Rig {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'sandbox-suite-')))
  const stateDir = join(root, 'state')
  const driver = subject.create(stateDir)
  const started: Sandbox[] = []
  const children: ChildProcess[] = []
  const dir = (name: string) => {
    const path = join(root, unique(name))
    mkdirSync(path)
    return path
  }
  const rig: Rig = {
    ...{ subject, driver, root, stateDir, dir },
    spec: (command, more) => ({
      ...{ id: unique('box'), workspace: more?.workspace ?? dir('workspace'), command, env: {} },
      ...{ readOnly: [{ from: realpathSync(process.execPath), to: NODE }], limits: SMALL },
      ...more,
    }),
    async start(command, more) {
      const sandbox = await driver.start(rig.spec(command, more))
      started.push(sandbox)
      return sandbox
    },
    async run(command, more) {
      const sandbox = await rig.start(command, more)
      const [exit, stdout, stderr] = await Promise.all([sandbox.exited, text(sandbox.stdout), text(sandbox.stderr)])
      return { ...exit, stdout, stderr }
    },
    async manager(spec, via = []) {
      const given = { ...subject.elsewhere, stateDir, spec }
      const script = fileURLToPath(new URL('./manager-process.ts', import.meta.url))
      const [program = '', ...args] = [...via, process.execPath, script, JSON.stringify(given)]
      const child = spawn(program, args, {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      children.push(child)
      const line = await firstLine(child)
      return Object.assign(child, { said: JSON.parse(line) })
    },
    async close() {
      for (const child of children) child.kill('SIGKILL')
      await Promise.all(started.map((sandbox) => sandbox.kill()))
      await driver.reap()
      rmSync(root, { recursive: true, force: true })
    },
  }
  return rig
}

async function firstLine(child: ChildProcess): Promise<string> {
  let said = ''
  for await (const chunk of child.stdout ?? []) {
    said += chunk
    if (said.includes('\n')) return said.split('\n')[0] ?? ''
  }
  throw new Error(`the manager process ended before it started its sandbox: ${said}`)
}

/** The same attack without a sandbox: shows that it is one. */
export function outside(command: string[], cwd = '/'): Promise<{ code: number; stdout: string }> {
  const [program = '', ...args] = command.map((part) => (part === NODE ? process.execPath : part))
  return new Promise((resolve) => {
    execFile(program, args, { cwd, env: { PATH: process.env.PATH } }, (error, stdout) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout })
    })
  })
}

type Falsy = false | null | undefined | 0 | ''

/** Waits for a condition; the test's own time limit ends a wait in vain. */
export async function until<T>(condition: () => T | Promise<T>): Promise<Exclude<T, Falsy>> {
  for (;;) {
    const value = await condition()
    if (value) return value as Exclude<T, Falsy>
    await delay(10)
  }
}

/** Host processes with the word as an argument. */
export function processesWith(word: string): number[] {
  return allPids().filter((pid) => readProc(`${pid}/cmdline`)?.split('\0').includes(word))
}

export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}
