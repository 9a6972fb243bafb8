import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, SandboxError } from '../error.ts'
import { isAlive, type ProcessRef, processRef, readProc } from '../supervise/processes.ts'

/**
 * What is on disk about a live sandbox, so that another process can end it after this one was killed.
 * Written before anything is started. Holds no environment and no command: those carry secrets.
 */
export interface SandboxRecord {
  id: string
  /** Processes of an earlier boot are gone, whatever has their numbers now. */
  boot: string
  manager: ProcessRef
  uid: number | undefined
  cgroups: readonly string[]
  workspace: string
  labels: Record<string, string>
  /** The outer bwrap. */
  outer?: ProcessRef
  /** The sandbox's own init; its end is the end of everything inside. */
  init?: ProcessRef
}

export interface Records {
  /** Writes the first record of an id; throws SandboxError where another process has one. */
  claim(record: SandboxRecord): void
  write(record: SandboxRecord): void
  remove(id: string): void
  all(): SandboxRecord[]
}

export function createRecords(stateDir: string): Records {
  const dir = join(stateDir, 'sandboxes')
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const file = (id: string) => join(dir, `${id}.json`)
  return {
    claim(record) {
      try {
        writeFileSync(file(record.id), JSON.stringify(record), { mode: 0o600, flag: 'wx' })
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error
        throw new SandboxError(
          `the sandbox ${record.id} already runs, or was never reaped`,
          'call reap(), or choose another id',
        )
      }
    },
    write(record) {
      // Renamed into place: a reader after a crash finds the old record or the new one, never half of one.
      writeFileSync(`${file(record.id)}.new`, JSON.stringify(record), { mode: 0o600 })
      renameSync(`${file(record.id)}.new`, file(record.id))
    },
    remove: (id) => rmSync(file(id), { force: true }),
    all: () => readdirSync(dir).flatMap((name) => (name.endsWith('.json') ? read(join(dir, name)) : [])),
  }
}

export function thisBoot(): string {
  return readProc('sys/kernel/random/boot_id')?.trim() ?? ''
}

export function thisProcess(): ProcessRef {
  return processRef(process.pid) ?? { pid: process.pid, startTime: '' }
}

/** Whether the process that started the sandbox still runs, and so still watches it. */
export function isWatched(record: Pick<SandboxRecord, 'boot' | 'manager'>): boolean {
  return record.boot === thisBoot() && isAlive(record.manager)
}

function read(path: string): SandboxRecord[] {
  try {
    return [JSON.parse(readFileSync(path, 'utf8'))]
  } catch (error) {
    // Removed meanwhile, or cut short by a killed process before it started anything.
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return []
    throw error
  }
}
