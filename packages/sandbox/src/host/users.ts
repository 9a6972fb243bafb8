import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, SandboxError } from '../error.ts'
import { isWatched, type SandboxRecord, thisBoot, thisProcess } from './records.ts'

/** Host user numbers for sandboxes: no passwd entry, no files elsewhere, nothing else that runs under them. */
export interface UserRange {
  first: number
  count: number
}

/** Outside what distributions give to people, services, subordinate ids (100000-165535) and systemd's containers. */
export const DEFAULT_USERS: UserRange = { first: 300_000, count: 1000 }

export interface Users {
  /** A number nobody holds; `preferred` where it is free and in range, which saves giving all files away again. */
  claim(preferred: number): number
  release(uid: number): void
  /** Drops claims of processes that are gone, except those of sandboxes that could not be ended. */
  sweep(keep: ReadonlySet<number>): void
}

/** Claims are files, made exclusively: two managers with one state directory never share a number. */
export function createUsers(stateDir: string, range: UserRange): Users {
  const dir = join(stateDir, 'users')
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const claim = (uid: number): boolean => {
    try {
      const claimed: Pick<SandboxRecord, 'boot' | 'manager'> = { boot: thisBoot(), manager: thisProcess() }
      writeFileSync(join(dir, String(uid)), JSON.stringify(claimed), { flag: 'wx', mode: 0o600 })
      return true
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false
      throw error
    }
  }
  return {
    claim(preferred) {
      if (preferred >= range.first && preferred < range.first + range.count && claim(preferred)) return preferred
      const taken = new Set(readdirSync(dir))
      for (let uid = range.first; uid < range.first + range.count; uid++) {
        if (!taken.has(String(uid)) && claim(uid)) return uid
      }
      throw new SandboxError(
        `all ${range.count} host users for sandboxes are taken`,
        'give the driver a larger range, or run fewer sandboxes at once',
      )
    },
    release: (uid) => rmSync(join(dir, String(uid)), { force: true }),
    sweep(keep) {
      for (const name of readdirSync(dir)) {
        if (keep.has(Number(name))) continue
        const file = join(dir, name)
        if (isAbandoned(file)) rmSync(file, { force: true })
      }
    },
  }
}

function isAbandoned(file: string): boolean {
  try {
    const text = readFileSync(file, 'utf8')
    // Empty: somebody is between making and filling it, or was killed there. Too dear to find out, and rare: keep it.
    return text !== '' && !isWatched(JSON.parse(text))
  } catch {
    return false
  }
}
