import { type Escape, perl, sh } from './escape.ts'

const of =
  (group: Escape['group']) =>
  (name: string, tries: string, attempt: Escape['attempt']): Escape => ({
    ...{ name, group, tries, attempt },
  })
const devices = of('devices')
const processes = of('processes')
const privileges = of('privileges')
const kernel = of('kernel')

/** Tells that a call was allowed; the numbers are those of x64. */
const call = (...args: (number | string)[]) => perl(`print 'ESCAPED' if syscall(${args.join(', ')}) >= 0`)

export const kernelEscapes: Escape[] = [
  devices('mknod-disk', 'makes the disk of the host and reads it', () =>
    sh('mknod d b 8 0 && echo ESCAPED; mknod v b 254 0 && echo ESCAPED'),
  ),
  devices('mknod-memory', 'makes the memory of the host', () => sh('mknod m c 1 1 && echo ESCAPED')),
  devices('raw-disks', 'opens disks by the names they have', () =>
    sh(
      'for d in /dev/sd? /dev/vd? /dev/nvme?n? /dev/mem /dev/kmem /dev/port /dev/loop-control; do head -c1 $d 2>/dev/null && echo ESCAPED; done',
    ),
  ),
  devices('kvm-and-fuse', 'opens the devices of machines and file systems', () =>
    sh('for d in /dev/kvm /dev/fuse /dev/net/tun /dev/vhost-vsock; do (: <>$d) 2>/dev/null && echo ESCAPED; done'),
  ),
  devices('terminal-of-the-host', 'types into the terminal of who started it', () =>
    perl(
      `for my $t ('/dev/tty', '/dev/console') { open my $f, '+<', $t or next; my $c = 'x'; ioctl($f, 0x5412, $c) and print 'ESCAPED' }`,
    ),
  ),
  processes('signal-the-host', 'sends a signal to a process of the host', (t) =>
    perl('print "ESCAPED" if kill 0, $ARGV[0]', String(t.victim)),
  ),
  processes('kill-everybody', 'kills all that it may', () => sh('kill -9 -1')),
  processes('kill-the-parent', 'kills who started it', () => perl('kill 9, getppid(); kill 9, 1')),
  processes('trace-the-host', 'attaches itself to a process of the host', (t) =>
    perl('print "ESCAPED" if syscall(101, 16, $ARGV[0] + 0, 0, 0) == 0', String(t.victim)),
  ),
  processes('read-foreign-memory', 'reads the memory of a process of the host', (t) =>
    perl(
      'my $b = "x" x 8; my $i = pack("PQ", $b, 8); print "ESCAPED" if syscall(310, $ARGV[0] + 0, $i, 1, $i, 1, 0) >= 0',
      String(t.victim),
    ),
  ),
  processes('descriptor-of-another', 'takes a descriptor out of a process of the host', (t) =>
    perl(
      'my $p = syscall(434, $ARGV[0] + 0, 0); print "ESCAPED" if $p >= 0 && syscall(438, $p, 0, 0) >= 0',
      String(t.victim),
    ),
  ),
  processes('priority', 'puts itself before everybody else', () =>
    perl('setpriority(0, 0, -10) and getpriority(0, 0) < 0 and print "ESCAPED"'),
  ),
  processes('out-of-memory-shield', 'has others killed in its place when memory runs out', () =>
    sh('echo -1000 >/proc/self/oom_score_adj && echo ESCAPED'),
  ),
  processes('shared-memory', 'attaches memory segments and queues of the host', () =>
    sh('ipcs -m 2>/dev/null | grep -q "^0x" && echo ESCAPED; ls /dev/mqueue/* >/dev/null 2>&1 && echo ESCAPED'),
  ),
  privileges('become-root', 'sets its user to root', () => perl('$< = $> = 0; print "ESCAPED" if $> == 0')),
  privileges('become-another-sandbox', 'sets its user to the next one', () =>
    perl('my $n = $> + 1; $< = $> = $n; print "ESCAPED" if $> == $n'),
  ),
  privileges('setuid-program', 'makes a program that runs as its owner', () =>
    sh('cp /usr/bin/id i && chmod 4755 i && chown 0 i && ./i -u | grep -qx 0 && echo ESCAPED'),
  ),
  privileges('su-and-passwd', 'uses the setuid programs of the system', () =>
    sh(
      'for p in "su -c id" "newgrp root -c id" "mount -t tmpfs n /tmp" "passwd -d root"; do $p </dev/null 2>/dev/null && echo ESCAPED; done',
    ),
  ),
  privileges('file-capabilities', 'gives a program a capability', () =>
    perl(
      `open my $f, '>', 'p'; print 'ESCAPED' if syscall(188, 'p', 'security.capability', pack('V5', 0x2000001, 0xffffffff, 0, 0, 0), 20, 0) == 0`,
    ),
  ),
  privileges('raise-capabilities', 'takes capabilities back that were dropped', () =>
    perl(
      `my $h = pack('Vi', 0x20080522, 0); my $d = pack('V6', 0xffffffff, 0xffffffff, 0xffffffff, 0, 0, 0); print 'ESCAPED' if syscall(126, $h, $d) == 0`,
    ),
  ),
  privileges('new-user-namespace', 'becomes root of a user namespace of its own', () =>
    sh('unshare -Ur true && echo ESCAPED'),
  ),
  privileges('clone-namespaces', 'makes namespaces by clone', () =>
    perl(`for my $f (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000) {
      my $p = syscall(56, $f | 17, 0, 0, 0, 0); if ($p == 0) { exit } elsif ($p > 0) { print 'ESCAPED' } }`),
  ),
  privileges('clone3', 'makes namespaces where no filter sees the flags', () =>
    perl(
      `my $a = pack('Q8', 0x10000000, 0, 0, 0, 17, 0, 0, 0); my $p = syscall(435, $a, 64); exit if $p == 0; print 'ESCAPED' if $p > 0`,
    ),
  ),
  privileges('enter-namespaces', 'enters the namespaces of process 1', () =>
    sh('nsenter -t 1 -m -u -i -n -p true && echo ESCAPED'),
  ),
  privileges('raise-limits', 'raises the limits that it was given', () =>
    sh('ulimit -Hn 1000000 2>/dev/null && echo ESCAPED'),
  ),
  kernel('load-module', 'loads code into the kernel', () => call(175, '"x"', 1, '""')),
  kernel('bpf', 'loads a program into the kernel', () =>
    perl(`print 'ESCAPED' if syscall(321, 0, pack('V4', 1, 4, 4, 1) . "\\0" x 64, 72) >= 0`),
  ),
  kernel('io-uring', 'asks the kernel where no filter listens', () =>
    perl(`print 'ESCAPED' if syscall(425, 1, "\\0" x 120) >= 0`),
  ),
  kernel('userfaultfd', 'handles page faults by itself', () => call(323, 0)),
  kernel('perf', 'measures the whole machine', () =>
    perl(`print 'ESCAPED' if syscall(298, pack('V2', 1, 112) . "\\0" x 104, -1, 0, -1, 0) >= 0`),
  ),
  kernel('keyring', 'looks for keys of others', () =>
    perl(`print 'ESCAPED' if syscall(250, 0, -3, 1) >= 0 || syscall(250, 0, -4, 1) >= 0`),
  ),
  kernel('new-mount-api', 'mounts by the calls that replace mount', () =>
    perl(`print 'ESCAPED' if syscall(430, 'tmpfs', 0) >= 0 || syscall(428, -100, '/', 1) >= 0`),
  ),
  kernel('pivot-root', 'changes the root', () => call(155, '"/tmp"', '"/tmp"')),
  kernel('clock', 'sets the clock', () => perl(`print 'ESCAPED' if syscall(227, 0, pack('qq', time, 0)) == 0`)),
  kernel('host-name', 'renames the machine', () => sh('hostname planted && echo ESCAPED')),
  kernel('sysctl', 'sets what crashes run', () =>
    sh(
      'for f in kernel/core_pattern kernel/modprobe vm/drop_caches kernel/sysrq; do (: >>/proc/sys/$f) 2>/dev/null && echo ESCAPED; done; (: >>/proc/sysrq-trigger) 2>/dev/null && echo ESCAPED',
    ),
  ),
  kernel('release-agent', 'has the kernel run a program by a control group', () =>
    sh(
      'for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/x 2>/dev/null && echo ESCAPED; (: >>$d/release_agent) 2>/dev/null && echo ESCAPED; done; true',
    ),
  ),
  kernel('leave-control-group', 'goes to the control group of the host', () =>
    sh(
      'for f in $(find /sys/fs/cgroup -name cgroup.procs 2>/dev/null | head -50); do echo 0 >$f && echo ESCAPED; done; true',
    ),
  ),
  kernel('kernel-memory', 'reads the memory and the log of the kernel', () =>
    sh(
      'head -c1 /proc/kcore 2>/dev/null | grep -q . && echo ESCAPED; head -c1 /dev/kmsg 2>/dev/null | grep -q . && echo ESCAPED; dmesg 2>/dev/null | grep -q . && echo ESCAPED',
    ),
  ),
  kernel('uevent-helper', 'has the kernel run a program for a device', () =>
    sh('(: >>/sys/kernel/uevent_helper) 2>/dev/null && echo ESCAPED'),
  ),
  kernel('foreign-calls', 'uses the calls of 32 bits, which a filter may not know', () =>
    perl(
      `print 'ESCAPED' if syscall(0x40000000 + 165, '/', '/tmp', '', 4096, 0) == 0 || syscall(0x40000000 + 321, 0, 0, 0) >= 0`,
    ),
  ),
]
