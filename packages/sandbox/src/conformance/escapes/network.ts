import { type Escape, perl, sh } from './escape.ts'

const of =
  (group: Escape['group']) =>
  (name: string, tries: string, attempt: Escape['attempt']): Escape => ({
    ...{ name, group, tries, attempt },
  })
const network = of('network')
const relay = of('relay')
const RELAY = '/run/relay'

const tcp = (host: string, port: number | string) =>
  perl(
    `$SIG{ALRM} = sub { exit }; alarm 2; socket(my $s, 2, 1, 6); print 'ESCAPED' if connect($s, pack_sockaddr_in($ARGV[1], inet_aton($ARGV[0])))`,
    host,
    String(port),
  )

export const networkEscapes: Escape[] = [
  network('host-loopback', 'connects to a server on the loopback of the host', (t) => tcp('127.0.0.1', t.port)),
  network('host-any', 'connects to the same server by the address of nobody', (t) => tcp('0.0.0.0', t.port)),
  network('engine-gateway', 'connects to the gateway that engines give to containers', (t) =>
    tcp('172.17.0.1', t.port),
  ),
  network('metadata-service', 'asks the cloud for the credentials of the machine', () => tcp('169.254.169.254', 80)),
  network('public-address', 'connects to an address of the internet', () => tcp('1.1.1.1', 443)),
  network('name-service', 'resolves a name', () =>
    perl(`$SIG{ALRM} = sub { exit }; alarm 5; print 'ESCAPED' if inet_aton('example.com')`),
  ),
  network('datagram', 'sends a datagram out', () =>
    perl(`socket(my $s, 2, 2, 17); print 'ESCAPED' if send($s, 'x', 0, pack_sockaddr_in(53, inet_aton('8.8.8.8')))`),
  ),
  network('abstract-socket', 'connects to an abstract Unix socket of the host', (t) =>
    perl(`socket(my $s, 1, 1, 0); print 'ESCAPED' if connect($s, pack('Sa*', 1, "\\0" . $ARGV[0]))`, t.abstract),
  ),
  network('engine-socket', 'looks for the sockets that command this host', () =>
    sh(
      'for s in /run/docker.sock /var/run/docker.sock /run/containerd/containerd.sock /run/dbus/system_bus_socket /run/systemd/private; do [ -S $s ] && echo ESCAPED; done; true',
    ),
  ),
  network('raw-socket', 'makes packets by itself', () =>
    perl(`print 'ESCAPED' if socket(my $s, 2, 3, 1) || socket(my $p, 17, 3, 768)`),
  ),
  network('virtual-machine-socket', 'speaks to the host of this virtual machine', () =>
    perl(`print 'ESCAPED' if socket(my $s, 40, 1, 0)`),
  ),
  network('crypto-socket', 'uses the cryptography of the kernel', () =>
    perl(`print 'ESCAPED' if socket(my $s, 38, 5, 0)`),
  ),
  network('odd-families', 'makes sockets of all other families', () =>
    perl(
      `for my $f (3..9, 11..15, 17..46) { for my $t (1, 2, 3, 5) { print "ESCAPED $f" if socket(my $s, $f, $t, 0) } }`,
    ),
  ),
  network('other-interfaces', 'looks for an interface beside its loopback', () =>
    sh(
      'ls /sys/class/net 2>/dev/null | grep -vx lo | grep -q . && echo ESCAPED; grep -v -e lo: -e "|" /proc/net/dev | grep -q . && echo ESCAPED',
    ),
  ),
  network('new-interface', 'makes an interface', () =>
    perl(`socket(my $s, 16, 3, 0) or exit; my $m = pack('LSSLLCCSiLL', 32, 16, 0x605, 1, 0, 0, 0, 0, 0, 0, 0); send($s, $m, 0);
      recv($s, my $r, 4096, 0); my (undef, $type, undef, undef, undef, $error) = unpack('LSSLLi', $r); print 'ESCAPED' if $type == 2 && $error == 0`),
  ),
  network('low-port', 'listens where only root may, for others to come', () =>
    perl(
      `socket(my $s, 2, 1, 6); bind($s, pack_sockaddr_in(80, INADDR_ANY)) and system('cat /proc/sys/net/ipv4/ip_unprivileged_port_start | grep -qx 1024') == 0 and print 'ESCAPED'`,
    ),
  ),
  relay('remove-the-socket', 'takes the relay away', () =>
    sh(`rm -f ${RELAY}/relay.sock; [ -S ${RELAY}/relay.sock ] || echo ESCAPED`),
  ),
  relay('replace-the-socket', 'puts its own socket in the place of the relay', () =>
    perl(
      `chdir '${RELAY}'; rename 'relay.sock', 'old' and print 'ESCAPED'; socket(my $s, 1, 1, 0); print 'ESCAPED' if bind($s, pack('Sa*', 1, 'mine.sock' . "\\0"))`,
    ),
  ),
  relay('leave-something-beside-it', 'leaves a file or a link in the folder of the relay', () =>
    sh(
      `cd ${RELAY}; touch x && echo ESCAPED; ln -s / y && echo ESCAPED; mkdir z && echo ESCAPED; chmod 777 . && echo ESCAPED; chmod 0 relay.sock && echo ESCAPED; true`,
    ),
  ),
  relay('up-from-the-relay', 'goes up from the folder of the relay on the host', (t) =>
    sh(
      `cd ${RELAY} && for f in ../*/relay.sock ../../*/relay.sock ../../*/*/relay.sock; do [ -e $f ] && [ ! $f -ef relay.sock ] && echo ESCAPED; done; cat ${t.secretFile} 2>/dev/null && echo ESCAPED`,
    ),
  ),
  relay('whom-it-serves', 'asks the relay’s socket for the process behind it, to reach that', () =>
    perl(
      `socket(my $s, 1, 1, 0); connect($s, pack('Sa*', 1, '${RELAY}/relay.sock' . "\\0")) or exit; my ($pid) = unpack('iii', getsockopt($s, 1, 17)); print 'ESCAPED' if $pid > 0 && -e "/proc/$pid/root" && kill(0, $pid)`,
    ),
  ),
]
