import { mkdirSync, realpathSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { errorMessage, SandboxError } from '../error.ts'
import { environmentScript } from '../host/environment.ts'
import { etcFor } from '../host/etc.ts'
import { createLive, type Live } from '../host/live.ts'
import { giveFiles, giveWorkspace } from '../host/ownership.ts'
import { createRecords, type Records, type SandboxRecord, thisBoot, thisProcess } from '../host/records.ts'
import { takePlace } from '../host/take-place.ts'
import { createUsers, DEFAULT_USERS, type UserRange, type Users } from '../host/users.ts'
import type { Sandbox, SandboxDriver, SandboxLog, SandboxSpec } from '../port.ts'
import { seccompProgram } from '../seccomp/program.ts'
import { type ResolvedSpec, resolveSpec } from '../spec.ts'
import { runningChild } from '../supervise/child.ts'
import { lastWords } from '../supervise/last-words.ts'
import { holdPidNamespace, type PidNamespace } from '../supervise/pid-namespace.ts'
import { isAlive, processRef } from '../supervise/processes.ts'
import { supervise } from '../supervise/supervise.ts'
import { bubblewrapArguments, type Identity, SCRATCH_MOUNTS } from './arguments.ts'
import { createSandboxCgroup, parentsFor, type SandboxCgroup } from './cgroup.ts'
import { type CgroupChoice, type CgroupFound, findCgroups } from './cgroup-find.ts'
import { checkBubblewrap, kernelFault } from './check.ts'
import { launch } from './launch.ts'
import { FD, launchCommand } from './launcher.ts'
import { reapSandboxes } from './reap.ts'

export interface BubblewrapOptions {
  /** Directory for records of live sandboxes; one per host, kept over restarts, not inside any workspace. */
  stateDir: string
  /** Host users for sandboxes when this process is root. No two state directories of a host may share a number. */
  users?: UserRange
  /** `auto` unless given. */
  cgroups?: CgroupChoice
  /** Refuse to work where memory is only watched and not held by the kernel. For hosts that serve strangers. */
  requireMemoryCgroup?: boolean
  log?: SandboxLog
}

const START_PATIENCE_MS = 30_000

interface Parts {
  stateDir: string
  live: Live
  users: Users | undefined
  records: Records
  cgroups: () => CgroupFound
  log: SandboxLog
}

/**
 * Sandboxes from Linux namespaces, through `bwrap`. As root, each runs as a host user of its own; otherwise as the
 * caller's user in a user namespace. Stopping the manager, by whatever signal, ends them.
 */
export function createBubblewrapDriver(options: BubblewrapOptions): SandboxDriver {
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 })
  const stateDir = realpathSync(options.stateDir)
  let found: CgroupFound | undefined
  const cgroups = () => {
    found ??= findCgroups(options.cgroups ?? 'auto')
    return found
  }
  const live = createLive()
  const parts: Parts = {
    ...{ stateDir, live },
    users: process.getuid?.() === 0 ? createUsers(stateDir, options.users ?? DEFAULT_USERS) : undefined,
    records: createRecords(stateDir),
    cgroups,
    log: options.log ?? (() => {}),
  }
  const start = async (spec: SandboxSpec): Promise<Sandbox> => {
    const resolved = await resolveSpec(spec)
    const refused = kernelFault(cgroups(), options.requireMemoryCgroup ?? false)
    if (refused) throw new SandboxError(refused.fault, refused.remedy)
    return live.hold(resolved, () => startOne(parts, resolved))
  }
  return {
    name: 'bubblewrap',
    isolates: true,
    ahead: true,
    check: () =>
      checkBubblewrap({ stateDir, cgroups, start, requireMemoryCgroup: options.requireMemoryCgroup ?? false }),
    start,
    reap: () => reapSandboxes(parts.records, parts.users, parts.log),
  }
}

async function startOne(parts: Parts, spec: ResolvedSpec): Promise<Sandbox> {
  const uid = parts.users?.claim((await stat(spec.workspace)).uid)
  const identity: Identity = uid === undefined ? { kind: 'self' } : { kind: 'user', uid }
  let cgroup: SandboxCgroup | undefined
  let claimed = false
  let released = false
  const release = async (clean: boolean) => {
    // Once: a second time could take the user from the next sandbox that claimed it.
    if (released) return
    released = true
    // A user or a group with something alive in it must not be handed to the next sandbox; reap() will find the record.
    if (!clean) return
    await cgroup?.remove()
    if (claimed) parts.records.remove(spec.id)
    if (uid !== undefined) parts.users?.release(uid)
  }
  try {
    const { parents } = parts.cgroups()
    const record: SandboxRecord = {
      ...{ id: spec.id, boot: thisBoot(), manager: thisProcess(), uid },
      ...{ cgroups: parentsFor(parents, spec.limits).map((parent) => `${parent.dir}/${spec.id}`) },
      ...{ workspace: spec.workspace, labels: spec.labels ?? {} },
    }
    parts.records.claim(record)
    claimed = true
    cgroup = createSandboxCgroup(parents, spec.id, spec.limits)
    if (uid !== undefined) await giveFiles(spec, uid)
    return await run(parts, spec, identity, cgroup, record, release)
  } catch (error) {
    await release(true).catch((cause) => parts.log('error', 'remains of a failed start', { id: spec.id, cause }))
    throw error instanceof SandboxError
      ? error
      : new SandboxError(`the sandbox cannot be prepared: ${errorMessage(error)}`, 'see the log', { cause: error })
  }
}

async function run(
  parts: Parts,
  spec: ResolvedSpec,
  identity: Identity,
  cgroup: SandboxCgroup | undefined,
  record: SandboxRecord,
  release: (clean: boolean) => Promise<void>,
): Promise<Sandbox> {
  const seccomp = seccompProgram(process.arch, cgroup?.holds.memory !== true)
  const { child, init, ready } = await launch({
    command: launchCommand(spec, identity, cgroup?.procs ?? []),
    arguments: bubblewrapArguments({
      ...{ spec, identity, infoFd: FD.info, seccompFd: seccomp && FD.seccomp },
      etcDir: etcFor(parts.stateDir, identity.kind === 'user' ? identity.uid : 1000),
    }),
    seccomp,
    environment: environmentScript(spec.env),
  })
  const outer = processRef(child.pid)
  let written: SandboxRecord = { ...record, ...(outer && { outer }) }
  let inside: number | undefined
  let namespace: PidNamespace | undefined
  const sandbox = supervise({
    ...{ spec, running: runningChild(child), log: parts.log },
    members(maxAgeMs) {
      const outerPid = outer && isAlive(outer) ? [outer.pid] : []
      if (cgroup) return [...new Set([...cgroup.members(), ...outerPid])]
      return [...outerPid, ...(namespace?.pids(maxAgeMs) ?? [])]
    },
    inside: () => (inside === undefined ? undefined : { pid: inside, mounts: SCRATCH_MOUNTS }),
    outOfMemory: () => cgroup?.outOfMemory() ?? false,
    kernelHolds: { memory: cgroup?.holds.memory ?? false, processes: cgroup?.holds.processes ?? false },
    release: (clean) => {
      namespace?.close()
      return release(clean)
    },
    async bind({ workspace, labels }) {
      parts.live.move(spec.id, workspace)
      written = { ...written, workspace, labels: labels ?? {} }
      parts.records.write(written)
      await takePlace(spec.workspace, workspace)
      if (identity.kind === 'user') await giveWorkspace(workspace, identity.uid)
    },
  })
  const impatience = setTimeout(() => void sandbox.kill(), START_PATIENCE_MS)
  try {
    parts.records.write(written)
    inside = await init
    if (inside !== undefined) namespace = holdPidNamespace(inside)
    const initRef = inside === undefined ? undefined : processRef(inside)
    if (initRef) {
      written = { ...written, init: initRef }
      parts.records.write(written)
    }
    if (!(await ready)) throw await startFault(sandbox)
    sandbox.watchLimits()
    return sandbox
  } catch (error) {
    await sandbox.kill()
    throw error
  } finally {
    clearTimeout(impatience)
  }
}

async function startFault(sandbox: Sandbox): Promise<SandboxError> {
  const fault = (await lastWords(sandbox)) || 'the sandbox ended before its command was started'
  return new SandboxError(fault, remedyFor(fault))
}

function remedyFor(fault: string): string {
  if (/not found|No such file.*bwrap/.test(fault)) return 'apt-get install bubblewrap util-linux'
  if (/new namespace|uid map|user namespaces|Operation not permitted/i.test(fault)) {
    return 'allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces>0), run as root, or use the docker sandbox'
  }
  return 'correct the sandbox specification or the limits'
}
