/**
 * The system calls that every sandbox goes without, with their numbers.
 * A list of refusals, not of permissions: agents run arbitrary compilers and runtimes. It closes what namespaces leave
 * open: new user namespaces (which would hand out capabilities again), socket families that no network namespace
 * contains (VSOCK reaches a virtual machine's host), io_uring (which passes by every filter), keyrings, kernel
 * interfaces with a long history of faults.
 */

/** The same number on every machine. */
export const REFUSED_EVERYWHERE = {
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  open_tree: 428,
  move_mount: 429,
  mount_setattr: 442,
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
} as const

export const REFUSED = {
  x64: {
    acct: 163,
    add_key: 248,
    bpf: 321,
    delete_module: 176,
    init_module: 175,
    finit_module: 313,
    kexec_load: 246,
    kexec_file_load: 320,
    keyctl: 250,
    request_key: 249,
    mount: 165,
    umount2: 166,
    pivot_root: 155,
    open_by_handle_at: 304,
    perf_event_open: 298,
    quotactl: 179,
    reboot: 169,
    setns: 308,
    swapon: 167,
    swapoff: 168,
    syslog: 103,
    userfaultfd: 323,
  },
  arm64: {
    acct: 89,
    add_key: 217,
    bpf: 280,
    delete_module: 106,
    init_module: 105,
    finit_module: 273,
    kexec_load: 104,
    kexec_file_load: 294,
    keyctl: 219,
    request_key: 218,
    mount: 40,
    umount2: 39,
    pivot_root: 41,
    open_by_handle_at: 265,
    perf_event_open: 241,
    quotactl: 60,
    reboot: 142,
    setns: 268,
    swapon: 224,
    swapoff: 225,
    syslog: 116,
    userfaultfd: 282,
  },
} as const

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
export const NEW_NAMESPACES = 0x7e020000
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. */
export const SOCKET_FAMILIES = [1, 2, 10, 16]
/** Typing into the terminal somebody else reads from: TIOCSTI, TIOCLINUX. */
export const TERMINAL_TRICKS = [0x5412, 0x541c]

export const EPERM = 1
export const ENOSYS = 38
export const EAFNOSUPPORT = 97
