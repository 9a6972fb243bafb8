import { existsSync, lstatSync, readlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Mount } from '../port.ts'
import { HOME, type ResolvedSpec, WORKSPACE } from '../spec.ts'

/** The memory file systems a sandbox can write to; each has its size, and the watchdog counts what they hold. */
export const SCRATCH_MOUNTS = ['/tmp', dirname(HOME), '/dev/shm'] as const

const SHM_BYTES = 64 * 1024 * 1024
const SYSTEM_LINKS = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']
/** Of the host's /etc: what the dynamic linker, TLS and /usr's own symlinks need, and nothing that says who we are. */
const HOST_ETC = ['ld.so.cache', 'ssl/certs', 'alternatives', 'localtime', 'mime.types', 'services', 'protocols']

/** Who runs the command: the host's user `uid`, dropped to by us (root), or the caller, under another number. */
export type Identity = { kind: 'user'; uid: number } | { kind: 'self' }

export interface ArgumentsInput {
  spec: ResolvedSpec
  identity: Identity
  /** Directory with our own passwd, group, hosts and nsswitch.conf. */
  etcDir: string
  seccompFd: number | undefined
  infoFd: number
}

/**
 * Everything `bwrap` is told, in the order it does it. Meant for `--args`: on the command line every user of the host
 * could read it.
 */
export function bubblewrapArguments(input: ArgumentsInput): string[] {
  const { spec, identity } = input
  return [
    ...namespaces(identity),
    ...['--die-with-parent', '--new-session', '--clearenv', '--hostname', 'sandbox'],
    ...['--setenv', 'PATH', '/usr/sbin:/usr/bin:/sbin:/bin'],
    ...['--info-fd', String(input.infoFd)],
    ...(input.seccompFd === undefined ? [] : ['--seccomp', String(input.seccompFd)]),
    ...parents(spec),
    ...system(),
    ...etc(input.etcDir),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...scratch('/dev/shm', SHM_BYTES),
    ...scratch('/tmp', spec.limits.tmpBytes),
    ...scratch(dirname(HOME), spec.limits.homeBytes),
    ...spec.readOnly.flatMap(readOnly),
    // Connecting to a socket needs no writable mount; without one nobody inside can put another socket in its place.
    ...(spec.socketDir ? readOnly(spec.socketDir) : []),
    ...['--bind', spec.workspace, WORKSPACE],
    // Both are memory file systems of bwrap without a size: a file there would be memory that no limit counts.
    ...['--remount-ro', '/dev', '--remount-ro', '/'],
  ]
}

function namespaces(identity: Identity): string[] {
  if (identity.kind === 'self') {
    return [
      '--unshare-user',
      '--unshare-all',
      '--disable-userns',
      '--uid',
      '1000',
      '--gid',
      '1000',
      '--cap-drop',
      'ALL',
    ]
  }
  // Root needs no user namespace to build the mounts, so it works where those are switched off, and on paths that
  // only root can reach. The three capabilities last until `setpriv`, the first thing run inside.
  return [
    ...['--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'],
    ...['--cap-drop', 'ALL', '--cap-add', 'CAP_SETUID', '--cap-add', 'CAP_SETGID', '--cap-add', 'CAP_SETPCAP'],
  ]
}

function system(): string[] {
  const links = SYSTEM_LINKS.flatMap((name) => {
    const path = `/${name}`
    if (!existsSync(path)) return []
    return lstatSync(path).isSymbolicLink()
      ? ['--symlink', readlinkSync(path), path]
      : readOnly({ from: path, to: path })
  })
  return [...readOnly({ from: '/usr', to: '/usr' }), ...links]
}

/** Without this bwrap makes the directories above a mount point for itself alone, and nobody else could pass them. */
function parents(spec: ResolvedSpec): string[] {
  const points = [...spec.readOnly, ...(spec.socketDir ? [spec.socketDir] : [])].map((mount) => mount.to)
  const dirs = new Set(['/etc', '/etc/ssl'])
  for (const point of points) {
    for (let dir = dirname(point); dir !== '/'; dir = dirname(dir)) dirs.add(dir)
  }
  return [...dirs].sort().flatMap((dir) => ['--perms', '0755', '--dir', dir])
}

function etc(etcDir: string): string[] {
  const own = ['passwd', 'group', 'hosts', 'nsswitch.conf']
  return [
    ...own.flatMap((name) => readOnly({ from: `${etcDir}/${name}`, to: `/etc/${name}` })),
    ...HOST_ETC.flatMap((name) => ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]),
  ]
}

function scratch(path: string, bytes: number): string[] {
  return ['--perms', '1777', '--size', String(bytes), '--tmpfs', path]
}

function readOnly(mount: Mount): string[] {
  return ['--ro-bind', mount.from, mount.to]
}
