import { stat } from 'node:fs/promises'
import { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { errorMessage, SandboxError } from '../error.ts'
import { environmentScript } from '../host/environment.ts'
import { etcFor } from '../host/etc.ts'
import { giveFiles } from '../host/ownership.ts'
import { type Records, type SandboxRecord, thisBoot, thisProcess } from '../host/records.ts'
import type { Users } from '../host/users.ts'
import type { Sandbox, SandboxLog } from '../port.ts'
import type { ResolvedSpec } from '../spec.ts'
import { lastWords } from '../supervise/last-words.ts'
import { holdPidNamespace, type PidNamespace } from '../supervise/pid-namespace.ts'
import { readProc } from '../supervise/processes.ts'
import { supervise } from '../supervise/supervise.ts'
import { containerOptions } from './container.ts'
import { type Container, type Engine, engineFault, statusOf } from './engine.ts'
import { readOutput } from './output.ts'
import { createStats } from './stats.ts'

export interface Parts {
  stateDir: string
  image: string
  runtime: string | undefined
  network: string | undefined
  /** Identity of the state directory. */
  owner: string
  engine: () => Promise<Engine>
  users: Users | undefined
  records: Records
  log: SandboxLog
}

const START_PATIENCE_MS = 30_000

/** Claims a user and the record, makes the container, and starts it. Whatever fails leaves nothing. */
export async function startContainer(parts: Parts, spec: ResolvedSpec): Promise<Sandbox> {
  const { users, records, log } = parts
  const uid = users?.claim((await stat(spec.workspace)).uid)
  let container: Container | undefined
  let claimed = false
  let released = false
  const release = async () => {
    // Once: a second time could take the user from the next sandbox that claimed it.
    if (released) return
    released = true
    // Before the record and the user: what cannot be removed must be found again, and its number given to nobody.
    if (container) await removeContainer(container)
    if (claimed) records.remove(spec.id)
    if (uid !== undefined) users?.release(uid)
  }
  try {
    const record: SandboxRecord = {
      ...{ id: spec.id, boot: thisBoot(), manager: thisProcess(), uid, cgroups: [] },
      ...{ workspace: spec.workspace, labels: spec.labels ?? {} },
    }
    records.claim(record)
    claimed = true
    if (uid !== undefined) await giveFiles(spec, uid)
    const user = { uid: uid ?? process.getuid?.() ?? 1000, gid: uid ?? process.getgid?.() ?? 1000 }
    const environment = environmentScript(spec.env)
    const { image, runtime, network, owner } = parts
    const engine = await parts.engine()
    container = await engine.createContainer(
      containerOptions({
        ...{ spec, image, runtime, network, owner, ...user },
        etcDir: etcFor(parts.stateDir, user.uid),
        environmentBytes: Buffer.byteLength(environment),
      }),
    )
    return await run(engine, container, spec, environment, release, log)
  } catch (error) {
    await release().catch((cause) => log('error', 'remains of a failed start', { id: spec.id, cause: String(cause) }))
    throw engineFault(error, 'the container cannot be started')
  }
}

async function run(
  engine: Engine,
  container: Container,
  spec: ResolvedSpec,
  environment: string,
  release: () => Promise<void>,
  log: SandboxLog,
): Promise<Sandbox> {
  // Before the start: what is said at once would be lost.
  const attached = await container.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true })
  if (!(attached instanceof Duplex)) throw new Error('the engine gave no connection to the container')
  // The engine ends the connection when it goes away; the container's end is asked for apart.
  attached.on('error', () => {})
  const { stdout, stderr, ready } = readOutput(attached)
  const memory = await watchMemory(engine, container)
  try {
    await container.start()
  } catch (error) {
    memory.stop()
    attached.destroy()
    throw error
  }
  // Not ended: an open input is how the container knows that this process lives.
  attached.write(environment)
  const pid = (await container.inspect()).State.Pid
  const namespace = namespaceOf(pid, container.id)
  const stats = createStats(container, spec.limits)
  const sandbox = supervise({
    ...{ spec, log },
    running: {
      ...{ pid, stdout, stderr },
      ended: endOf(container, memory, log).finally(() => {
        stats.stop()
        memory.stop()
        attached.destroy()
      }),
    },
    stop: () => killContainer(container),
    freezer: {
      freeze: () => unlessAlready(container.pause()),
      thaw: () => unlessAlready(container.unpause()),
    },
    members: (maxAgeMs) => namespace?.pids(maxAgeMs) ?? [],
    inside: () => undefined,
    outOfMemory: () => memory.exhausted,
    cpuSeconds: stats.cpuSeconds,
    measure: stats.measure,
    kernelHolds: { memory: true, processes: true },
    release: async (clean) => {
      namespace?.close()
      if (clean) await release()
    },
  })
  const impatience = setTimeout(() => void sandbox.kill(), START_PATIENCE_MS)
  try {
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

/**
 * The container's pid namespace, where its processes are visible from here. Asked of the control group's name: inside a
 * container, a process of ours may have the number that the engine gave to its own.
 */
function namespaceOf(pid: number, id: string): PidNamespace | undefined {
  const namespace = holdPidNamespace(pid)
  // After it was opened: what had the number then has it still, or the file is gone.
  if (readProc(`${pid}/cgroup`)?.includes(id)) return namespace
  namespace?.close()
  return undefined
}

interface MemoryWatch {
  readonly exhausted: boolean
  set(): void
  stop(): void
}

/** The kernel ends one process at the limit; the engine says so, and the sandbox is to end with it. */
async function watchMemory(engine: Engine, container: Container): Promise<MemoryWatch> {
  let exhausted = false
  const events = await engine.getEvents({ filters: { container: [container.id], event: ['oom'] } })
  events.on('data', () => {
    exhausted = true
  })
  events.on('error', () => {})
  return {
    get exhausted() {
      return exhausted
    },
    set() {
      exhausted = true
    },
    stop() {
      if ('destroy' in events && typeof events.destroy === 'function') events.destroy()
    },
  }
}

/** Resolves when the container's init is gone, and so, by the kernel's promise, is everything in its namespace. */
async function endOf(
  container: Container,
  memory: MemoryWatch,
  log: SandboxLog,
): Promise<{ code: number | null; signal: string | null }> {
  for (let pause = 100; ; pause = Math.min(pause * 2, 5000)) {
    try {
      await container.wait()
      const { State } = await container.inspect()
      if (!State.Running) {
        if (State.OOMKilled) memory.set()
        return { code: State.ExitCode, signal: null }
      }
    } catch (error) {
      if (statusOf(error) === 404) return { code: null, signal: 'SIGKILL' }
      log('warn', 'the container engine does not answer', { container: container.id, error: errorMessage(error) })
    }
    await delay(pause)
  }
}

/** 409: it is already as it should be, or has ended. */
async function unlessAlready(asked: Promise<unknown>): Promise<void> {
  try {
    await asked
  } catch (error) {
    const status = statusOf(error)
    if (status !== 409 && status !== 404) throw error
  }
}

async function killContainer(container: Container): Promise<void> {
  // What is paused would take the signal only when it is resumed.
  await container.unpause().catch(() => undefined)
  try {
    await container.kill({ signal: 'SIGKILL' })
  } catch {
    // Gone, or not there yet; whether it ended is seen by its end.
  }
}

/** Ends it where it runs, and waits until the engine has forgotten it. */
export async function removeContainer(container: Container): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await container.remove({ force: true, v: true })
    } catch (error) {
      const status = statusOf(error)
      if (status === 404) return
      // 409: a removal is on its way, and its id is not free before it is done.
      if (status !== 409 || tries === 100) throw error
      await delay(50)
    }
  }
}

async function startFault(sandbox: Sandbox): Promise<SandboxError> {
  const fault = (await lastWords(sandbox)) || 'the container ended before its command was started'
  return new SandboxError(fault, 'use an image that has sh, mkdir and head, and workspaces that its user may enter')
}
