import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLive } from '../host/live.ts'
import { createRecords } from '../host/records.ts'
import { createUsers, type UserRange } from '../host/users.ts'
import type { SandboxDriver, SandboxLog, SandboxSpec } from '../port.ts'
import { notAhead, resolveSpec } from '../spec.ts'
import { checkDocker } from './check.ts'
import { createEngine } from './engine.ts'
import { reapContainers } from './reap.ts'
import { type Parts, startContainer } from './start.ts'

export interface DockerOptions {
  /** Directory for records of live sandboxes; one per host, kept over restarts, not inside any workspace. */
  stateDir: string
  /** Must have `sh`, `mkdir` and `head`. What else a command needs is mounted, or is in it too. */
  image: string
  /** Socket of the engine; `unix:///var/run/docker.sock` unless given. */
  engine?: string
  /** OCI runtime that the engine knows by this name, e.g. `runsc`; the engine's default unless given. */
  runtime?: string
  /**
   * Network of the engine that sandboxes are in; none unless given. What they reach then, and whom, is for the network to say.
   * The host is there as `host.docker.internal`.
   */
  network?: string
  /** Host users for sandboxes when this process is root. No two state directories of a host may share a number. */
  users?: UserRange
  log?: SandboxLog
}

/** Next to bubblewrap's, so that both may work on one host. */
const DOCKER_USERS: UserRange = { first: 301_000, count: 1000 }

/**
 * Sandboxes as containers of a Docker Engine on this host, one each, without a network. As root, each runs as a host
 * user of its own; otherwise as the caller's user. They end with the manager, unless what runs inside prevents it: then
 * `reap` ends them.
 */
export function createDockerDriver(options: DockerOptions): SandboxDriver {
  // Beside bubblewrap's records: each driver must find its own only.
  const stateDir = prepareState(options.stateDir)
  const parts: Parts = {
    ...{ stateDir, image: options.image, runtime: options.runtime, network: options.network, owner: ownerOf(stateDir) },
    engine: createEngine(options.engine ?? 'unix:///var/run/docker.sock'),
    users: process.getuid?.() === 0 ? createUsers(stateDir, options.users ?? DOCKER_USERS) : undefined,
    records: createRecords(stateDir),
    log: options.log ?? (() => {}),
  }
  const live = createLive()
  const start = async (given: SandboxSpec) => {
    if (given.ahead) throw notAhead('docker')
    const spec = await resolveSpec(given)
    return live.hold(spec, () => startContainer(parts, spec))
  }
  return {
    ...{ name: 'docker', isolates: true, network: options.network !== undefined, start },
    // An engine in a machine of its own need not see that a directory was moved here.
    ahead: false,
    check: () => checkDocker(parts, start),
    reap: () => reapContainers(parts),
  }
}

function prepareState(given: string): string {
  const dir = join(given, 'docker')
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  return realpathSync(dir)
}

/** Made once per state directory: managers on other hosts may speak to the same engine, and have sandboxes of their own. */
function ownerOf(stateDir: string): string {
  const file = join(stateDir, 'owner')
  try {
    writeFileSync(file, randomBytes(6).toString('hex'), { flag: 'wx', mode: 0o600 })
  } catch {
    // Made before, by us or by another manager of this host.
  }
  return readFileSync(file, 'utf8').trim()
}
