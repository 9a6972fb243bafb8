/**
 * The log as files: one for each day, named after it, and the oldest removed. A day's file is only ever appended to, so any
 * number of processes may write into one folder, and nobody renames a file that another one has open.
 *
 * It never throws: a folder that can't be written, or a disk that is full, costs lines of the copy on disk. To stop the
 * server for its log would be the worse failure.
 */
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface LogFileOptions {
  /** Made when it is missing. */
  dir: string
  /** What the files' names begin with: `backend-2026-03-29.log`. */
  name: string
  /** Files of former days that are kept; 0 keeps all of them. */
  backups: number
}

export interface LogFileDeps {
  /** Milliseconds since 1970. */
  now: () => number
  /** The day of an instant, as `2026-03-29`. */
  dayOf: (milliseconds: number) => string
  /** Told once when lines begin to be lost, and once when they no longer are. */
  onTrouble: (fields: { err?: unknown; lost?: number }, message: string) => void
}

/** How long a file that failed is left alone: a full disk is not cured by trying for every line. */
const restMs = 10_000

export function createLogFile(
  { dir, name, backups }: LogFileOptions,
  deps: LogFileDeps,
): { write(line: string): void } {
  let file: { handle: number; day: string } | null = null
  let trouble: { until: number; lost: number } | null = null
  /** A line was cut off: the next one must not be glued to it. */
  let torn = false

  function write(line: string): void {
    const now = deps.now()
    if (trouble && now < trouble.until) {
      trouble.lost += 1
      return
    }
    try {
      append(deps.dayOf(now), line)
    } catch (err) {
      release()
      if (!trouble) deps.onTrouble({ err }, `the log can't be written to ${dir}; it goes on without that`)
      trouble = { until: now + restMs, lost: (trouble?.lost ?? 0) + 1 }
      return
    }
    if (!trouble) return
    const { lost } = trouble
    trouble = null
    deps.onTrouble({ lost }, `the log is written to ${dir} again`)
  }

  function append(day: string, line: string): void {
    if (file?.day !== day) {
      release()
      file = open(day)
      prune()
    }
    const bytes = Buffer.from(torn ? `\n${line}` : line)
    for (let at = 0; at < bytes.length; ) {
      at += writeSync(file.handle, bytes, at)
      torn = at < bytes.length
    }
  }

  function open(day: string): { handle: number; day: string } {
    makeFolder(dir)
    return { handle: openSync(join(dir, `${name}-${day}.log`), 'a', 0o640), day }
  }

  function release(): void {
    const former = file
    file = null
    if (former) closeSync(former.handle)
  }

  function prune(): void {
    if (backups === 0) return
    const days = readdirSync(dir).filter((each) => each.startsWith(`${name}-`) && isDay(each.slice(name.length + 1)))
    for (const each of days.sort().slice(0, -backups - 1)) rmSync(join(dir, each), { force: true })
  }

  return { write }
}

/** Not `recursive`: where a folder answers ENOENT for what can't be made in it, as /proc does, Node then tries for ever. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o750 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    makeFolder(dirname(path))
    mkdirSync(path, { mode: 0o750 })
  }
}

const isDay = (rest: string): boolean => /^\d{4}-\d\d-\d\d\.log$/.test(rest)
