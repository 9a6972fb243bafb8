import type { Readable } from 'node:stream'

/**
 * The sandbox port: what the executor manager asks of a place to run code it does not trust.
 * Adapters: `bubblewrap`, `none` (no isolation at all), later `docker`. Nothing here belongs to one of them.
 */

/** What one sandbox may see and use. Whatever is not named here does not exist inside. */
export interface SandboxSpec {
  /** Unique on this host among live sandboxes; letters, digits, `-`, `_`, `.`; at most 64 characters. */
  id: string
  /** Host directory, read-write at `/workspace`, which is the working directory. The adapter may change its owner. */
  workspace: string
  /**
   * Started ahead of its work: `workspace` is a directory of its own with nobody's files in it, which `bind` puts into
   * the place of the workspace it is to work in. Rejected with SandboxError by a driver that can't.
   */
  ahead?: boolean
  /** Program and arguments as seen from inside. */
  command: string[]
  /** The whole environment inside, on top of defaults for PATH, HOME, LANG and TMPDIR (which it may override). */
  env: Record<string, string>
  /** Host files or directories mounted read-only, e.g. the Node binary, the executor's code. */
  readOnly: Mount[]
  /**
   * Host directory holding the relay's Unix socket. The socket must exist before `start`: the adapter gives it to the
   * sandbox's user. One that is made later must be made writable for that user by whoever makes it.
   */
  socketDir?: Mount
  limits: SandboxLimits
  /** For people and tools that list sandboxes; no meaning to the adapter. */
  labels?: Record<string, string>
}

export interface Mount {
  /** Absolute path on the host. */
  from: string
  /** Absolute path inside. */
  to: string
}

/** Crossing a limit ends the whole sandbox, unless it says otherwise. */
export interface SandboxLimits {
  /** All processes together, with what they keep in /tmp, /home and /dev/shm. */
  memoryBytes: number
  /** Processes and threads together. A fork past it fails inside with EAGAIN. */
  processes: number
  /** CPU time of all processes together. */
  cpuSeconds?: number
  /** What the workspace may hold, with deleted files that are still open. */
  diskBytes?: number
  /** Files and directories in the workspace: a disk runs out of them too. */
  files?: number
  /** Share of the host's processors, e.g. 1.5. Slows down, never ends; holds where the adapter's `check` has no note on it. */
  cpus?: number
  /** Open files of one process; 4096 unless given. Past it an open fails inside with EMFILE. */
  openFiles?: number
  /** Wall time from the start of the command; from the binding where it was started ahead. */
  wallMs?: number
  /** Size of /tmp; a quarter of `memoryBytes` unless given. Writes past it fail inside with ENOSPC. */
  tmpBytes?: number
  /** Size of /home; an eighth of `memoryBytes` unless given. */
  homeBytes?: number
}

/** What the manager gives an agent turn unless told otherwise. */
export const DEFAULT_LIMITS: SandboxLimits = {
  memoryBytes: 2 * 1024 ** 3,
  processes: 256,
  diskBytes: 4 * 1024 ** 3,
  files: 1_000_000,
  openFiles: 4096,
}

/**
 * - `exit`: the command ended by itself.
 * - `killed`: `kill()` was called.
 * - `memory`, `processes`, `disk`, `time`: the limit that ended it (`time` is wall or CPU time).
 */
export type ExitReason = 'exit' | 'killed' | 'memory' | 'processes' | 'disk' | 'time'

export interface SandboxExit {
  /** The command's exit code; 128 + n where signal n ended it inside; null where the sandbox was ended from outside. */
  code: number | null
  signal: string | null
  reason: ExitReason
}

export interface SandboxUsage {
  /** Memory that only ending a process gives back: anonymous and shared pages, without file cache. */
  rssBytes: number
  /** Processes and threads. */
  processes: number
  workspaceBytes: number
}

/** The work that a sandbox which was started ahead is given. */
export interface Binding {
  /** Host directory, in which no sandbox is, on the file system of the sandbox's own directory. */
  workspace: string
  /** In the place of those it was started with. */
  labels?: Record<string, string>
}

export interface Sandbox {
  readonly id: string
  /** Of the outermost process, on the host. */
  readonly pid: number
  /** Never holds the child back: past 1 MiB unread, output is dropped and a line says how much. */
  readonly stdout: Readable
  readonly stderr: Readable
  /** Resolves once, after every process inside is gone and the workspace belongs to the caller again. Never rejects. */
  readonly exited: Promise<SandboxExit>
  usage(): Promise<SandboxUsage>
  /** The memory alone, without looking through the workspace: see `SandboxUsage.rssBytes`. */
  memoryBytes(): Promise<number>
  /**
   * Stops every process inside where it stands, keeping its memory: it costs no CPU time until `resume`. Wall time goes
   * on. Resolves when nothing inside runs any more, or the sandbox has ended. Any number of times.
   */
  pause(): Promise<void>
  /** Lets everything go on. Without effect on what is not paused. */
  resume(): Promise<void>
  /**
   * Puts the directory that a sandbox was started ahead with into the place of a workspace, all its files moved into
   * it; where both have an entry of one name, the workspace's stays. The sandbox is paused then, and goes on with
   * `resume`. Once in its life: which workspace it has seen, it belongs to. Rejects with SandboxError; it is to be
   * killed then, and `finishBinding` to be called before the workspace is used again.
   */
  bind(to: Binding): Promise<void>
  /** Ends every process inside and resolves when they are gone. Any number of times, at any time. Never rejects. */
  kill(): Promise<void>
}

export type SandboxCheck =
  /** `notes` are weaknesses worth a line in the log: what does not hold here, and how to make it hold. */
  { ok: true; notes: string[] } | { ok: false; fault: string; remedy: string }

export interface SandboxDriver {
  readonly name: 'bubblewrap' | 'none' | 'docker'
  /** False only for `none`: the caller must show it wherever it shows the sandbox. */
  readonly isolates: boolean
  /** Whether sandboxes have a network, and no socket of a relay. */
  readonly network?: boolean
  /** Whether sandboxes can be started ahead of their work: see `SandboxSpec.ahead`. */
  readonly ahead: boolean
  /** Whether sandboxes can be started here; starts a trial one. Never rejects. */
  check(): Promise<SandboxCheck>
  /** Resolves when the command is about to run, everything mounted and limited. Rejects with SandboxError. */
  start(spec: SandboxSpec): Promise<Sandbox>
  /**
   * Ends sandboxes of former processes that used the same state directory and are gone; returns their ids.
   * To be called before the first `start`: until then a former sandbox may still hold its workspace.
   */
  reap(): Promise<string[]>
}

export type SandboxLog = (level: 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>) => void
