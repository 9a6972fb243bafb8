import { type Escape, perl, sh } from './escape.ts'

/** What takes until a limit answers. Each is bounded by itself, so that a sandbox without limits would not end the host. */
const resource = (name: string, tries: string, attempt: Escape['attempt']): Escape => ({
  ...{ name, group: 'resources', tries, attempt, ends: true },
})
const HOLD = 'sleep 1 while 1'

export const resourceEscapes: Escape[] = [
  resource('fork-bomb', 'forks without end', () => perl(`for (1..5000) { fork } ${HOLD}`)),
  {
    ...{ name: 'shell-bomb', group: 'resources', tries: 'forks without end, as shells do it' },
    // A shell that may not fork gives up: no limit has to end it.
    attempt: () => sh('b() { b | b & }; for i in 1 2 3; do b; done; sleep 600'),
  },
  resource('memory-bomb', 'takes memory without end', () =>
    perl(`my @x; for (1..2000) { push @x, 'a' x 1048576 } ${HOLD}`),
  ),
  resource('memory-bomb-of-many', 'takes it in many processes', () =>
    perl(`for (1..16) { next if fork; my @x; for (1..64) { push @x, 'a' x 1048576 } ${HOLD} } ${HOLD}`),
  ),
  resource('memory-in-files', 'takes it as files that exist only in memory', () =>
    sh('for d in /tmp /home/agent /dev/shm; do head -c 200M /dev/zero >$d/f; done; sleep 600'),
  ),
  resource('disk-bomb', 'fills the disk', () =>
    sh('for i in $(seq 40); do head -c 16M /dev/zero >f$i; done; sleep 600'),
  ),
  resource('archive-bomb', 'unpacks a small archive that is large', () =>
    sh(
      'mkdir in out; for i in $(seq 40); do truncate -s 16M in/$i; done; tar -C in -czf a.tgz . 2>/dev/null || tar -C in -cf a.tgz .; rm -r in; tar --no-same-owner -C out -xf a.tgz; for f in out/*; do cat $f >$f.copy; done; sleep 600',
    ),
  ),
  resource('files-without-end', 'takes all the names that a disk has', () =>
    perl(`for (1..20000) { open F, '>', "f$_" } ${HOLD}`),
  ),
  resource('processor-without-end', 'calculates without end', () =>
    perl('for (1..3) { next if fork; 1 while 1 } 1 while 1'),
  ),
  resource('deleted-and-held', 'fills the disk with files that have no name any more', () =>
    perl(
      `for (1..40) { open my $f, '>', "f$_"; print $f 'a' x 8388608; $f->flush; unlink "f$_"; push @f, $f } ${HOLD}`,
    ),
  ),
  resource('stop-itself', 'stops itself, deaf to all signals, until its time is over', () =>
    perl(`$SIG{$_} = 'IGNORE' for qw(TERM INT HUP QUIT TSTP); kill 19, $$; ${HOLD}`),
  ),
]
