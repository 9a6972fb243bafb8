/** Real processes, what they print, and who is still alive. Only processes that a test has started are ever touched. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import { tuttiProgram } from '../../src/repository.ts'

export interface Started {
  pid: number
  stdout(): string
  stderr(): string
  /** Resolves when the process and everybody who writes into its pipes have ended. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Waits until it has printed this, on either stream. Rejects with all it printed when it ends before. */
  prints(pattern: RegExp): Promise<RegExpExecArray>
  kill(signal: NodeJS.Signals): void
  write(text: string): void
}

/** The environment of a person who has set nothing that Tutti reads, but that no agent is loaded ahead beside each test. */
const bareEnvironment = (): Record<string, string> => {
  const { PATH = '', HOME = '/', LANG } = process.env
  return { PATH, HOME, ...(LANG === undefined ? {} : { LANG }), NO_COLOR: '1', SANDBOX_POOL: '0' }
}

/** @param cwd where it is typed; in the test's own folder unless said */
export const start = (file: string, args: string[], env: Record<string, string> = {}, cwd?: string): Started => {
  const child = spawn(file, args, { env: { ...bareEnvironment(), ...env }, cwd, stdio: 'pipe' })
  const printed = { stdout: '', stderr: '' }
  const watchers = new Set<() => void>()
  let over = false
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text
      for (const watcher of watchers) watcher()
    })
  child.stdin.on('error', () => {})
  const ended = new Promise<Awaited<Started['ended']>>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      over = true
      resolve({ code, signal })
      for (const watcher of watchers) watcher()
    })
  })
  onTestFinished(async () => {
    if (!over) child.kill('SIGKILL')
    await ended.catch(() => {})
  })
  return {
    pid: child.pid ?? 0,
    stdout: () => printed.stdout,
    stderr: () => printed.stderr,
    ended,
    prints: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(printed.stdout) ?? pattern.exec(printed.stderr)
          if (found) resolve(found)
          else if (over) reject(new Error(`ended without printing ${pattern}:\n${printed.stdout}${printed.stderr}`))
          else return
          watchers.delete(look)
        }
        watchers.add(look)
        look()
      }),
    kill: (signal) => void child.kill(signal),
    write: (text) => void child.stdin.write(text),
  }
}

export const tutti = (args: string[], env: Record<string, string> = {}, cwd?: string): Started =>
  start(process.execPath, [tuttiProgram, ...args], env, cwd)

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs it to its end. */
export const run = async (args: string[], env: Record<string, string> = {}, cwd?: string): Promise<Outcome> => {
  const { ended, stdout, stderr } = tutti(args, env, cwd)
  const { code } = await ended
  return { code, stdout: stdout(), stderr: stderr() }
}

export interface Relative {
  pid: number
  command: string
}

/** Living processes that carry the folder's name in their command line or their environment: whoever works for it. */
export const processesOf = (folder: string): Relative[] =>
  readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return []
    try {
      const read = (name: string): string => readFileSync(`/proc/${pid}/${name}`, 'utf8')
      const [command, environment] = [read('cmdline'), read('environ')]
      const isZombie = / Z /.test(read('stat').replace(/.*\)/s, ''))
      if (isZombie || !(command + environment).includes(folder)) return []
      return [{ pid: Number(pid), command: command.replaceAll('\0', ' ') }]
    } catch {
      return []
    }
  })
