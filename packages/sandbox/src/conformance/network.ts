import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AS_ROOT, NODE, outside, type Rig, unique } from './rig.ts'

const connect = (where: string) => [
  NODE,
  '-e',
  `require('net').connect(${where}).on('connect', () => { console.log('connected'); process.exit() })
   .on('data', (d) => console.log(String(d))).on('error', (e) => console.log(e.code))`,
]

export function network(rig: () => Rig): void {
  describe('network', () => {
    it('tcp-to-a-server-on-the-hosts-loopback-is-refused', async () => {
      const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const address = server.address()
      const port = typeof address === 'object' ? address?.port : 0
      const attack = connect(`${port}, '127.0.0.1'`)
      expect((await outside(attack)).stdout).toContain('connected')
      expect((await rig().run(attack)).stdout.trim()).toBe('ECONNREFUSED')
      server.close()
    })

    it('udp-to-the-host-arrives-only-from-outside', async () => {
      const socket = createSocket('udp4')
      const got: string[] = []
      socket.on('message', (message) => got.push(String(message)))
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
      const send = (word: string) => [
        NODE,
        '-e',
        `require('dgram').createSocket('udp4').send('${word}', ${socket.address().port}, '127.0.0.1', () => process.exit())`,
      ]
      await rig().run(send('inside'))
      const arrived = once(socket, 'message')
      await outside(send('outside'))
      await arrived
      expect(got).toEqual(['outside'])
      socket.close()
    })

    it('no-name-is-resolved-but-localhost', async () => {
      const look = `require('dns').lookup(process.argv[1], (e, a) => console.log(e ? e.code : a))`
      expect((await rig().run([NODE, '-e', look, 'localhost'])).stdout).toMatch(/127\.0\.0\.1|::1/)
      expect((await rig().run([NODE, '-e', look, 'example.com'])).stdout).toMatch(/EAI_AGAIN|ENOTFOUND/)
    })

    it('the-loopback-inside-is-up-and-alone', async () => {
      const talk = `const s = require('net').createServer((c) => c.end('pong')).listen(0, '127.0.0.1', () =>
        require('net').connect(s.address().port, '127.0.0.1').on('data', (d) => {
          console.log(String(d), Object.keys(require('os').networkInterfaces()).join()); process.exit() }))`
      expect((await rig().run([NODE, '-e', talk])).stdout.trim()).toBe('pong lo')
    })

    it('socket-families-that-no-network-namespace-contains-are-refused', async () => {
      // Stream sockets: 40 VSOCK (a virtual machine's host), 38 ALG; raw: 2 INET, 17 PACKET.
      const attack = `for (['inet',2,1],['unix',1,1],['vsock',40,1],['alg',38,5],['raw',2,3,1],['packet',17,3]) {
        print $_->[0], socket(my $s, $_->[1], $_->[2], $_->[3] || 0) ? ' yes' : ' no', "\\n" }`
      if (AS_ROOT) expect((await outside(['perl', '-e', attack])).stdout).toContain('raw yes')
      const { stdout } = await rig().run(['perl', '-e', attack])
      expect(stdout.trim().split('\n')).toEqual(['inet yes', 'unix yes', 'vsock no', 'alg no', 'raw no', 'packet no'])
    })

    it('an-abstract-unix-socket-of-the-host-is-out-of-reach', async () => {
      const name = unique('abstract')
      const server = createServer((socket) => socket.end()).listen({ path: `\0${name}` })
      await once(server, 'listening')
      const attack = connect(`{ path: '\\0${name}' }`)
      expect((await outside(attack)).stdout).toContain('connected')
      expect((await rig().run(attack)).stdout.trim()).toBe('ECONNREFUSED')
      server.close()
    })

    it('the-relay-socket-is-connectable-and-cannot-be-replaced', async () => {
      const dir = rig().dir('relay')
      const server = createServer((socket) => socket.end('pong')).listen(join(dir, 'relay.sock'))
      await once(server, 'listening')
      const program = `require('net').connect('/run/relay/relay.sock').on('data', (d) => {
        console.log(String(d))
        for (const f of ['unlinkSync', 'mkdirSync']) try { require('fs')[f]('/run/relay/' + (f[0] === 'u' ? 'relay.sock' : 'x')); console.log(f) } catch (e) { console.log(e.code) }
      }).on('error', (e) => console.log(e.code))`
      const { stdout } = await rig().run([NODE, '-e', program], { socketDir: { from: dir, to: '/run/relay' } })
      expect(stdout.trim().split('\n')).toEqual(['pong', 'EROFS', 'EROFS'])
      server.close()
    })
  })
}
