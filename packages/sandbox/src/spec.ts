import { realpath, stat } from 'node:fs/promises'
import { isAbsolute, normalize } from 'node:path'
import { errorMessage, SandboxError } from './error.ts'
import type { Mount, SandboxSpec } from './port.ts'

/** Paths inside that are the same for every adapter. */
export const WORKSPACE = '/workspace'
export const HOME = '/home/agent'

export const DEFAULT_ENV: Readonly<Record<string, string>> = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  HOME,
  LANG: 'C.UTF-8',
  TMPDIR: '/tmp',
}

const OPEN_FILES = 4096

/** A spec whose host paths exist and are free of symlinks, and whose limits are all decided. */
export interface ResolvedSpec extends SandboxSpec {
  limits: SandboxSpec['limits'] & { openFiles: number; tmpBytes: number; homeBytes: number }
}

/** Refuses what would be ambiguous or dangerous to mount, before anything has been touched. */
export async function resolveSpec(spec: SandboxSpec): Promise<ResolvedSpec> {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(spec.id)) {
    throw invalid(`the sandbox id ${JSON.stringify(spec.id)} is not a plain name`)
  }
  if (spec.command.length === 0) throw invalid('the command is empty')
  for (const part of spec.command) if (part.includes('\0')) throw invalid('an argument holds a NUL character')
  checkEnv(spec.env)
  checkLimits(spec)
  const workspace = await resolveWorkspace(spec.workspace)
  const { memoryBytes } = spec.limits
  return {
    ...spec,
    workspace,
    readOnly: await Promise.all(spec.readOnly.map((mount) => resolveMount(mount, 'any'))),
    ...(spec.socketDir && { socketDir: await resolveMount(spec.socketDir, 'directory') }),
    limits: {
      ...spec.limits,
      openFiles: spec.limits.openFiles ?? OPEN_FILES,
      tmpBytes: spec.limits.tmpBytes ?? Math.ceil(memoryBytes / 4),
      homeBytes: spec.limits.homeBytes ?? Math.ceil(memoryBytes / 8),
    },
  }
}

/** Without symlinks; a directory that may be a workspace. */
export async function resolveWorkspace(path: string): Promise<string> {
  const workspace = await hostPath(path, 'directory')
  // The root or a system directory handed over by mistake would be given to the sandbox's user, file by file.
  if (/^\/($|(bin|boot|dev|etc|home|lib|lib64|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)$)/.test(workspace)) {
    throw invalid(`${workspace} cannot be a workspace`)
  }
  return workspace
}

function checkEnv(env: Record<string, string>): void {
  for (const [name, value] of Object.entries(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw invalid(`${JSON.stringify(name)} is not an environment name`)
    if (value.includes('\0')) throw invalid(`the environment value of ${name} holds a NUL character`)
  }
}

function checkLimits(spec: SandboxSpec): void {
  for (const [name, value] of Object.entries(spec.limits)) {
    if (value === undefined) continue
    const whole = name === 'cpus' ? Number.isFinite(value) : Number.isSafeInteger(value)
    if (!whole || value <= 0) throw invalid(`limits.${name} is not a positive number, whole but for cpus`)
  }
}

async function resolveMount(mount: Mount, kind: 'directory' | 'any'): Promise<Mount> {
  const { to } = mount
  if (!isAbsolute(to) || normalize(to) !== to || to === '/' || to.includes('\0')) {
    throw invalid(`the mount point ${JSON.stringify(to)} is not a plain absolute path`)
  }
  // A mount over these would undo what the adapter put there.
  // One below the workspace would follow whatever link an earlier agent left there.
  if (/^\/(proc|sys|dev|usr|etc|bin|sbin|lib|lib32|lib64|libx32|workspace|home)(\/|$)/.test(to)) {
    throw invalid(`${to} belongs to the sandbox itself`)
  }
  return { from: await hostPath(mount.from, kind), to }
}

async function hostPath(path: string, kind: 'directory' | 'any'): Promise<string> {
  if (!isAbsolute(path)) throw invalid(`${JSON.stringify(path)} is not an absolute path`)
  try {
    const real = await realpath(path)
    if (kind === 'directory' && !(await stat(real)).isDirectory()) throw new Error('not a directory')
    return real
  } catch (error) {
    throw invalid(`${path} cannot be mounted: ${errorMessage(error)}`)
  }
}

function invalid(fault: string): SandboxError {
  return new SandboxError(fault, 'correct the sandbox specification')
}

/** Of a driver whose sandboxes can't be given a workspace later. */
export function notAhead(driver: string): SandboxError {
  return new SandboxError(
    `a ${driver} sandbox cannot be started ahead of its work`,
    'start it with its workspace; `SandboxDriver.ahead` tells',
  )
}
