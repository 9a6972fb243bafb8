import {
  EAFNOSUPPORT,
  ENOSYS,
  EPERM,
  NEW_NAMESPACES,
  REFUSED,
  REFUSED_EVERYWHERE,
  SOCKET_FAMILIES,
  TERMINAL_TRICKS,
} from './calls.ts'

interface Rule {
  names: string[]
  action: 'SCMP_ACT_ERRNO'
  errnoRet: number
  args?: { index: number; value: number; valueTwo?: number; op: 'SCMP_CMP_EQ' | 'SCMP_CMP_MASKED_EQ' | 'SCMP_CMP_GT' }[]
}

/**
 * What an engine refuses to a container without capabilities, beside our own list: a profile that is given takes the
 * place of the engine's, so it must not refuse less.
 */
const REFUSED_BY_ENGINES = [
  ...['_sysctl', 'clock_adjtime', 'clock_settime', 'create_module', 'fanotify_init', 'get_kernel_syms', 'ioperm'],
  ...['iopl', 'kcmp', 'lookup_dcookie', 'mbind', 'migrate_pages', 'move_pages', 'name_to_handle_at', 'nfsservctl'],
  ...['pidfd_getfd', 'process_madvise', 'query_module', 'quotactl_fd', 'set_mempolicy', 'settimeofday', 'stime'],
  ...['sysfs', 'uselib', 'ustat', 'vhangup', 'vm86', 'vm86old', 'chroot', 'open_tree_attr', 'listmount', 'statmount'],
]

/** The refusals of `calls.ts` as an engine's profile (JSON). Calls of another architecture end the process. */
export function seccompProfile(): string {
  const names = [...Object.keys(REFUSED_EVERYWHERE), ...Object.keys(REFUSED.x64), ...REFUSED_BY_ENGINES]
  const [highest = 0] = SOCKET_FAMILIES.toReversed()
  const families = Array.from({ length: highest }, (_, family) => family).filter(
    (one) => !SOCKET_FAMILIES.includes(one),
  )
  const rules: Rule[] = [
    refuse(names, EPERM),
    // Its flags are behind a pointer, out of a filter's sight; the C library falls back to clone.
    refuse(['clone3'], ENOSYS),
    ...bits(NEW_NAMESPACES).map((bit) =>
      refuse(['clone', 'unshare'], EPERM, { index: 0, value: bit, valueTwo: bit, op: 'SCMP_CMP_MASKED_EQ' }),
    ),
    ...families.map((value) => refuse(['socket'], EAFNOSUPPORT, { index: 0, value, op: 'SCMP_CMP_EQ' })),
    refuse(['socket'], EAFNOSUPPORT, { index: 0, value: highest, op: 'SCMP_CMP_GT' }),
    ...TERMINAL_TRICKS.map((value) => refuse(['ioctl'], EPERM, { index: 1, value, op: 'SCMP_CMP_EQ' })),
  ]
  return JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: rules })
}

function refuse(names: string[], errnoRet: number, arg?: NonNullable<Rule['args']>[number]): Rule {
  return { names, action: 'SCMP_ACT_ERRNO', errnoRet, ...(arg && { args: [arg] }) }
}

function bits(mask: number): number[] {
  return Array.from({ length: 32 }, (_, at) => 2 ** at).filter((bit) => (mask & bit) !== 0)
}
