import { existsSync } from 'node:fs'
import { SandboxError } from '../error.ts'
import { HOME, type ResolvedSpec, WORKSPACE } from '../spec.ts'
import type { Identity } from './arguments.ts'
import { inheritedDescriptors } from './inherited.ts'

/** Room for the watchdog to see a small sandbox cross its limit and say so, before a call inside just fails. */
const DATA_SLACK = 1024 ** 3

/** The descriptors `bwrap` and the launcher are given beyond 0, 1 and 2. */
export const FD = { arguments: 3, info: 4, launch: 5, seccomp: 6 } as const

/**
 * What runs outside: join the cgroups, then become bwrap. `$$` is a number of this host, since no namespace is new yet.
 * The sandbox volunteers to be the first when the host itself runs out of memory.
 */
const OUTER = `echo 500 >/proc/self/oom_score_adj
while [ "$1" != -- ]; do echo $$ >"$1" || exit 125; shift; done
shift
exec "$@"`

/**
 * What runs inside, already unprivileged. The environment comes over a descriptor and is set last: were it set by
 * bwrap, an LD_PRELOAD in it would load code into \`setpriv\` while that still has capabilities, and as arguments
 * every user of the host could read its secrets. The answer says that the command runs next.
 */
const INNER = `cd ${WORKSPACE} || exit 125
mkdir -m 700 ${HOME} || exit 125
settings=$(cat <&${FD.launch}) || exit 125
eval "$settings" || exit 125
unset settings OLDPWD
printf ready >&${FD.launch}
exec ${FD.launch}<&- "$@"`

/** The whole command line, program first. Nothing secret is in it except what the caller's own command holds. */
export function launchCommand(spec: ResolvedSpec, identity: Identity, cgroupProcs: readonly string[]): string[] {
  const { shell, script } = closing(inheritedDescriptors(FD.seccomp))
  return [
    ...[shell, '-c', script + OUTER, 'sandbox', ...cgroupProcs, '--'],
    ...['bwrap', '--args', String(FD.arguments), '--'],
    ...(identity.kind === 'user' ? dropTo(identity.uid) : []),
    ...['prlimit', ...rlimits(spec), '--'],
    ...['/bin/sh', '-c', INNER, 'sandbox', ...spec.command],
  ]
}

/** Plain shells know descriptors of one digit only. */
function closing(descriptors: readonly number[]): { shell: string; script: string } {
  const script = descriptors.map((fd) => `exec ${fd}>&-\n`).join('')
  if (descriptors.every((fd) => fd < 10)) return { shell: '/bin/sh', script }
  if (existsSync('/bin/bash')) return { shell: '/bin/bash', script }
  throw new SandboxError(
    `this process was started with open descriptors (${descriptors.join(', ')}) that the sandbox would inherit`,
    'close them where the process is started, or install bash',
  )
}

function dropTo(uid: number): string[] {
  return [
    ...['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--no-new-privs'],
    ...['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--'],
  ]
}

/**
 * Set inside, where the user's own namespace is counted and not what the same user runs elsewhere. These bound one
 * process each (`nproc`: the user); the totals are the cgroup's or the watchdog's.
 */
function rlimits(spec: ResolvedSpec): string[] {
  const { limits } = spec
  return [
    `--nproc=${limits.processes}`,
    `--nofile=${limits.openFiles}`,
    // Data and not address space: JavaScript runtimes reserve far more addresses than they use.
    `--data=${limits.memoryBytes * 2 + DATA_SLACK}`,
    ...['--core=0', '--memlock=0', '--msgqueue=0'],
    ...(limits.diskBytes === undefined ? [] : [`--fsize=${limits.diskBytes}`]),
    ...(limits.cpuSeconds === undefined ? [] : [`--cpu=${limits.cpuSeconds + 2}`]),
  ]
}
