import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { errorMessage, SandboxError } from '../error.ts'
import type { Mount, Sandbox, SandboxDriver, SandboxLog, SandboxSpec } from '../port.ts'
import { DEFAULT_ENV, notAhead, resolveSpec, WORKSPACE } from '../spec.ts'
import { runningChild } from '../supervise/child.ts'
import { isAlive, type ProcessRef, pidsOfTree, processRef } from '../supervise/processes.ts'
import { supervise } from '../supervise/supervise.ts'

const WARNING = 'no isolation: commands run as this process does, with its files, network and rights'

/**
 * A plain child process. For platforms without sandboxes and for development, and only where somebody asked for it by
 * name. Memory, disk and wall limits are watched, nothing else holds; a daemon that leaves its session and its parent
 * between two looks is not found by `kill`.
 */
export function createNoneDriver(options: { log?: SandboxLog } = {}): SandboxDriver {
  const log = options.log ?? (() => {})
  log('warn', WARNING)
  return {
    name: 'none',
    isolates: false,
    // Paths as seen from inside are the host's here, and a directory that moves has another one.
    ahead: false,
    check: async () => ({ ok: true, notes: [WARNING] }),
    start: (spec) => startPlain(spec, log),
    // Without namespaces or records nothing tells a former sandbox from any other process.
    reap: async () => [],
  }
}

async function startPlain(given: SandboxSpec, log: SandboxLog): Promise<Sandbox> {
  if (given.ahead) throw notAhead('none')
  const spec = await resolveSpec(given)
  log('warn', WARNING, { id: spec.id })
  const toHost = hostPaths([
    { from: spec.workspace, to: WORKSPACE },
    ...spec.readOnly,
    ...(spec.socketDir ? [spec.socketDir] : []),
  ])
  const [program = '', ...args] = spec.command.map(toHost)
  const env = { ...DEFAULT_ENV, HOME: spec.workspace, ...spec.env }
  const child = spawn(program, args, {
    cwd: spec.workspace,
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, toHost(value)])),
    stdio: ['ignore', 'pipe', 'pipe'],
    // A session of its own is what `kill` finds its processes by.
    detached: true,
  })
  try {
    await once(child, 'spawn')
  } catch (error) {
    throw new SandboxError(`${program} cannot be started: ${errorMessage(error)}`, 'correct the command', {
      cause: error,
    })
  }
  const { stdout, stderr, pid } = child
  if (!stdout || !stderr || pid === undefined) throw new Error('the child was started without its pipes')
  // Seen once, remembered: a daemon that leaves the tree later is still ours.
  const seen = new Map<number, ProcessRef>()
  const root = processRef(pid)
  const sandbox = supervise({
    ...{ spec, log, running: runningChild(Object.assign(child, { stdout, stderr, pid })) },
    members() {
      if (root && isAlive(root)) {
        for (const one of pidsOfTree(pid)) {
          const ref = seen.has(one) ? undefined : processRef(one)
          if (ref) seen.set(one, ref)
        }
      }
      for (const [one, ref] of seen) if (!isAlive(ref)) seen.delete(one)
      return [...seen.keys()]
    },
    inside: () => undefined,
    outOfMemory: () => false,
    kernelHolds: { memory: false, processes: true },
    release: async () => {},
  })
  sandbox.watchLimits()
  return sandbox
}

/** There are no mounts, so paths as seen from inside are turned into the host's, in arguments and environment. */
function hostPaths(mounts: readonly Mount[]): (text: string) => string {
  return (text) => {
    const mount = mounts.find(({ to }) => text === to || text.startsWith(`${to}/`))
    return mount ? mount.from + text.slice(mount.to.length) : text
  }
}
