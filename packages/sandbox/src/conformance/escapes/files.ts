import { type Escape, perl, sh } from './escape.ts'

/** Reads by every way that a name may lead to a file. */
const read = (path: string) => `grep -q "$SECRET" ${path} 2>/dev/null && echo ESCAPED`

const files = (name: string, tries: string, attempt: Escape['attempt']): Escape => ({
  ...{ name, group: 'files', tries, attempt },
})
const links = (name: string, tries: string, attempt: Escape['attempt']): Escape => ({
  ...{ name, group: 'links', tries, attempt },
})

export const fileEscapes: Escape[] = [
  files('host-path', 'reads a file of the host by its path', (t) => sh(`SECRET=${t.secret}; ${read(t.secretFile)}`)),
  files('dot-dot', 'walks up from the workspace to the root and down to the file', (t) =>
    sh(`SECRET=${t.secret}; ${read(`/workspace/../../../../../../../..${t.secretFile}`)}`),
  ),
  files('proc-root', 'goes through the root of every process it sees', (t) =>
    sh(`SECRET=${t.secret}; for p in /proc/[0-9]*; do ${read(`$p/root${t.secretFile}`)}; done`),
  ),
  files('proc-cwd', 'goes up from the working directory of every process it sees', (t) =>
    sh(`SECRET=${t.secret}; for p in /proc/[0-9]*; do ${read(`$p/cwd/../../../../../..${t.secretFile}`)}; done`),
  ),
  files('proc-fd', 'goes through every open descriptor of every process it sees', (t) =>
    sh(
      `SECRET=${t.secret}; for f in /proc/[0-9]*/fd/*; do ${read(`$f${t.secretFile}`)}; ${read(`$f/../../../..${t.secretFile}`)}; done`,
    ),
  ),
  files('inherited-directory', 'uses descriptors up to 255 as directories to open the file from', (t) =>
    perl(
      `for my $fd (3..255) { for my $up ('', '../../../../../../../..') { my $p = $up . $ARGV[0]; $p =~ s{^/}{} unless $up;
      my $got = syscall(257, $fd, $p, 0); if ($got >= 0) { open my $f, '<&=', $got; my $x = <$f>; print 'ESCAPED' if $x =~ /$ARGV[1]/ } } }`,
      t.secretFile,
      t.secret,
    ),
  ),
  files('chroot-and-up', 'makes a root of its own to climb out of it', (t) =>
    perl(
      `mkdir 'r'; opendir my $d, '.'; chroot 'r' and do { chdir '..' for 1..20; chroot '.'; open my $f, '<', $ARGV[0] and print 'ESCAPED' }`,
      t.secretFile,
    ),
  ),
  files('write-usr', 'puts a program into the system', () => sh('echo x >/usr/bin/tutti-planted && echo ESCAPED')),
  files('write-etc', 'adds a line to the accounts', () => sh('echo "x::0:0::/:/bin/sh" >>/etc/passwd && echo ESCAPED')),
  files('remount-writable', 'makes the system writable again', () =>
    sh(
      'mount -o remount,rw / && touch /planted && echo ESCAPED; mount -o remount,rw,bind /usr && touch /usr/planted && echo ESCAPED',
    ),
  ),
  files('preload-file', 'plants a library that every program loads', () =>
    sh('echo /workspace/x.so >/etc/ld.so.preload && echo ESCAPED'),
  ),
  files('other-workspace', 'reads what another sandbox is working on', (t) =>
    sh(`ls ${t.otherWorkspace}/* && echo ESCAPED`),
  ),
  files('host-tmp', 'looks for the temporary files of the host', (t) =>
    sh(`ls /tmp/* ${t.secretFile} 2>/dev/null | grep -q . && echo ESCAPED`),
  ),
  files('host-environment', 'looks for the secret in the environment and arguments of all processes', (t) =>
    perl(
      `my $w = join '', map { chr(ord($_) - 1) } split //, $ARGV[0];
      for (glob '/proc/[0-9]*/environ /proc/[0-9]*/cmdline') { open my $f, '<', $_ or next; local $/; my $x = <$f> // ''; print 'ESCAPED' if index($x, $w) >= 0 }`,
      [...t.secret].map((letter) => String.fromCharCode(letter.charCodeAt(0) + 1)).join(''),
    ),
  ),
  files('open-by-handle', 'opens a file of the host by its number on the disk', () =>
    perl(
      `opendir my $d, '/workspace'; my $h = pack('LlQ', 8, 1, 2); exit if syscall(304, fileno($d), $h, 0) < 0; print 'ESCAPED'`,
    ),
  ),
  files('mountinfo-paths', 'finds the workspace on the host by the table of mounts, and reads beside it', (t) =>
    sh(
      `SECRET=${t.secret}; for d in $(cut -d' ' -f4 /proc/self/mountinfo | sort -u); do ${read(`$d/../*/secret`)}; ${read(`$d/../../secret`)}; done`,
    ),
  ),
  links('symlink-read', 'follows a symbolic link to the file', (t) =>
    sh(`SECRET=${t.secret}; ln -s ${t.secretFile} l; ${read('l')}`),
  ),
  links('symlink-chain', 'follows a chain of links through /proc', (t) =>
    sh(`SECRET=${t.secret}; ln -s /proc/1/root r; ln -s r${t.secretFile} l; ${read('l')}`),
  ),
  links('hardlink-system', 'gives a file of the system a second name that it may write to', () =>
    sh('ln /usr/bin/env e && echo ESCAPED'),
  ),
  links('hardlink-passwd', 'gives the accounts a second name', () =>
    sh('ln /etc/passwd p && echo x >>p && echo ESCAPED'),
  ),
  links('hardlink-descriptor', 'gives an open file of the system a name of its own', () =>
    perl(
      `open my $f, '<', '/usr/bin/env'; exit if syscall(265, -100, '/proc/self/fd/' . fileno($f), -100, '/workspace/linked', 0x400) != 0; print 'ESCAPED'`,
    ),
  ),
  links('rename-mount', 'moves the workspace away and puts something else in its place', () =>
    sh(
      'cd /; mv /workspace /tmp/w && echo ESCAPED; rmdir /workspace && echo ESCAPED; ln -sfn / /workspace/../workspace && echo ESCAPED',
    ),
  ),
  links('mount-over-workspace', 'mounts the root over the workspace', () =>
    sh('mount --bind / /workspace && echo ESCAPED'),
  ),
  links('overwrite-own-program', 'writes into the program that is run for it', () =>
    sh('for p in /proc/[0-9]*/exe; do echo x >>"$p" && echo ESCAPED; done; true'),
  ),
]
