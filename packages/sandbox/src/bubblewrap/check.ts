import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errorCode, errorMessage, SandboxError } from '../error.ts'
import type { SandboxCheck, SandboxDriver } from '../port.ts'
import type { CgroupFound } from './cgroup-find.ts'

const run = promisify(execFile)

export interface CheckInput {
  stateDir: string
  cgroups: () => CgroupFound
  start: SandboxDriver['start']
  requireMemoryCgroup: boolean
}

/** Looks for the programs, then for the controllers, then starts a sandbox: only that shows that it works. */
export async function checkBubblewrap(input: CheckInput): Promise<SandboxCheck> {
  if (process.platform !== 'linux') {
    return { ok: false, fault: 'bubblewrap needs Linux', remedy: 'use the docker sandbox' }
  }
  for (const [program, pack] of [
    ['bwrap', 'bubblewrap'],
    ['setpriv', 'util-linux'],
    ['prlimit', 'util-linux'],
    ['du', 'coreutils'],
    ['find', 'findutils'],
  ] as const) {
    const fault = await missing(program)
    if (fault) return { ok: false, fault, remedy: `apt-get install ${pack}` }
  }
  const { parents, notes } = input.cgroups()
  const memory = parents.some((parent) => parent.controllers.includes('memory'))
  const refused = kernelFault(input.cgroups(), input.requireMemoryCgroup)
  if (refused) return { ok: false, ...refused }
  const fault = await trial(input)
  if (fault) return fault
  return {
    ok: true,
    notes: [
      ...notes,
      ...(memory
        ? []
        : ['memory is measured ten times a second and not held by the kernel: name a control group that is ours']),
      ...(process.getuid?.() === 0 ? [] : ['not root: sandboxes share the host user of this process']),
      ...(process.arch === 'x64' || process.arch === 'arm64' ? [] : [`no system call filter for ${process.arch}`]),
    ],
  }
}

/** Why this host is refused where memory must be held by the kernel, or undefined. */
export function kernelFault(found: CgroupFound, required: boolean): { fault: string; remedy: string } | undefined {
  if (!required || found.parents.some((parent) => parent.controllers.includes('memory'))) return undefined
  return {
    fault: `the kernel would not hold the memory limit: ${found.notes.join('; ')}`,
    remedy: 'run as a systemd service with Delegate=yes and name its group, or run in a container of its own',
  }
}

async function missing(program: string): Promise<string | undefined> {
  try {
    await run(program, ['--version'])
    return undefined
  } catch (error) {
    return errorCode(error) === 'ENOENT' ? `${program} is not installed` : `${program}: ${errorMessage(error)}`
  }
}

async function trial(input: CheckInput): Promise<SandboxCheck | undefined> {
  const workspace = await mkdtemp(join(input.stateDir, 'trial-'))
  try {
    const sandbox = await input.start({
      ...{ id: `trial-${process.pid}-${Date.now().toString(36)}`, workspace, command: ['true'], env: {}, readOnly: [] },
      limits: { memoryBytes: 256 * 1024 * 1024, processes: 16, wallMs: 10_000 },
    })
    const { code, reason } = await sandbox.exited
    if (code === 0) return undefined
    return { ok: false, fault: `a trial sandbox ended with ${code ?? reason}`, remedy: 'see the log' }
  } catch (error) {
    if (error instanceof SandboxError) return { ok: false, fault: error.fault, remedy: error.remedy }
    return { ok: false, fault: errorMessage(error), remedy: 'see the log' }
  } finally {
    await rm(workspace, { recursive: true, force: true })
  }
}
