/** The network of a real sandbox, as a command of the agent finds it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { readAllowedHost } from '@tutti/network'
import { afterEach, expect, it } from 'vitest'
import { eventsOf, type FakeRun } from './support/fake-backend.ts'
import { bash, createStage, providerKey, type Stage, script } from './support/stage.ts'

let stage: Stage
const closing: (() => unknown)[] = []
afterEach(async () => {
  await stage.close()
  for (const close of closing.splice(0)) close()
})

const outside = async (): Promise<string> => {
  const server = createServer((_, response) => response.end('hello from outside')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close())
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

const hosts = (...texts: string[]) => texts.flatMap((text) => readAllowedHost(text) ?? [])
/** Through a tunnel, as with https, and also to addresses that proxies are not used for otherwise. */
const curl = (target: string) =>
  `curl -s -m 5 --noproxy '' --proxytunnel -x "$HTTPS_PROXY" -w '%{http_connect} ' http://${target}/`
const output = (run: FakeRun): string => JSON.stringify(eventsOf(run, 'tool_result').map(({ output }) => output))

it('a-command-reaches-the-hosts-of-the-list-and-no-other', async () => {
  const [listed, other] = [await outside(), await outside()]
  stage = await createStage({ egressAllowedHosts: hosts(listed) })
  await stage.start()
  const command = `${curl(listed)}; echo; ${curl(other)}; curl -s -m 2 --noproxy '*' http://${listed}/ || echo direct: none`
  const run = stage.backend.offer({ prompt: script([bash(command), { say: 'done' }]) })
  expect(await stage.finished(run)).toMatchObject({ outcome: 'completed' })
  expect(output(run)).toContain('hello from outside200')
  expect(output(run)).toContain('403')
  expect(output(run).match(/hello from outside/g)).toHaveLength(1)
  expect(output(run)).toContain('direct: none')
})

it('a-session-gets-the-hosts-that-it-asks-for-only-where-the-operator-lets-it', async () => {
  const listed = await outside()
  stage = await createStage({ egressGrantableHosts: hosts(listed) })
  await stage.start()
  const granted = stage.backend.offer({
    ...{ prompt: script([bash(curl(listed)), { say: 'done' }]), config: { egress: [listed] } },
  })
  await stage.finished(granted)
  expect(output(granted)).toContain('hello from outside')
  const refused = stage.backend.offer({ prompt: 'x', config: { egress: ['example.com'] } })
  expect((await stage.finished(refused)).error).toMatchObject({ code: 'EGRESS_REFUSED', retryable: false })
  expect(refused.started).toBeNull()
})

it('a-run-reaches-the-hosts-of-its-own-servers: the operators at once, a users where the operator lets it, and no other', async () => {
  const [ofOperator, ofUser, other] = [await outside(), await outside(), await outside()]
  stage = await createStage({ egressGrantableHosts: hosts(ofUser) })
  await stage.start()
  const needed_hosts = [
    { host: ofOperator, server: 'a', granted: true },
    { host: ofUser, server: 'b', granted: false },
  ]
  const look = [ofOperator, ofUser, other].map(curl).join('; echo; ')
  const run = stage.backend.offer({ prompt: script([bash(look), { say: 'done' }]), needed_hosts })
  expect(await stage.finished(run)).toMatchObject({ outcome: 'completed' })
  expect(output(run).match(/hello from outside200/g)).toHaveLength(2)
  expect(output(run)).toContain('403')
  const refused = stage.backend.offer({ prompt: 'x', needed_hosts: [{ host: other, server: 'c', granted: false }] })
  expect((await stage.finished(refused)).error).toMatchObject({
    ...{
      code: 'EGRESS_REFUSED',
      retryable: false,
      message: expect.stringMatching(/MCP server "c".*EGRESS_GRANTABLE_HOSTS/),
    },
  })
})

it('an-http-server-is-asked-by-the-agents-runtime-through-the-relay', async () => {
  const hello = Promise.withResolvers<number | undefined>()
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (data) => {
      hello.resolve(data[0])
      socket.destroy()
    })
  }).listen(0, '127.0.0.2')
  await once(server, 'listening')
  closing.push(() => server.close())
  const address = server.address()
  const host = `127.0.0.2:${typeof address === 'object' && address !== null ? address.port : 0}`
  stage = await createStage()
  await stage.start()
  const run = stage.backend.offer({
    prompt: script([{ say: 'done' }]),
    needed_hosts: [{ host, server: 'far', granted: true }],
    options: { runtime: 'claude', mcp_servers: { far: { type: 'http', url: `https://${host}/mcp` } } },
  })
  // The first byte of a TLS hello.
  expect(await hello.promise).toBe(0x16)
  expect(await stage.finished(run)).toMatchObject({ outcome: 'completed' })
})

it('the-providers-key-is-nowhere-in-the-sandbox', async () => {
  stage = await createStage()
  await stage.start()
  // Written backwards, so that what looks for it does not find itself.
  const search = `
    const fs = require('fs'), path = require('path')
    const key = Buffer.from([...process.argv[2]].reverse().join(''))
    let looked = { files: 0, processes: 0, memory: 0 }, found = []
    const look = (name, bytes) => { if (bytes.includes(key)) found.push(name) }
    const walk = (folder) => {
      let entries = []
      try { entries = fs.readdirSync(folder, { withFileTypes: true }) } catch {}
      for (const entry of entries) {
        const name = path.join(folder, entry.name)
        if (entry.isDirectory()) walk(name)
        else if (entry.isFile()) try { look(name, fs.readFileSync(name)); looked.files += 1 } catch {}
      }
    }
    for (const folder of ['/workspace', '/tmp', '/run', '/etc', '/home', '/root', '/var', '/dev/shm']) walk(folder)
    for (const pid of fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid)) {
      for (const part of ['environ', 'cmdline']) try { look(pid + '/' + part, fs.readFileSync('/proc/' + pid + '/' + part)); looked.processes += 1 } catch {}
      try {
        const memory = fs.openSync('/proc/' + pid + '/mem', 'r')
        for (const line of fs.readFileSync('/proc/' + pid + '/maps', 'utf8').split('\\n')) {
          const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) || []
          if (!from) continue
          const size = Number(BigInt('0x' + to) - BigInt('0x' + from))
          if (size > 64e6) continue
          const bytes = Buffer.alloc(size)
          try { fs.readSync(memory, bytes, 0, size, BigInt('0x' + from)); look(pid + '/mem', bytes); looked.memory += 1 } catch {}
        }
      } catch {}
    }
    console.log(JSON.stringify({ found, looked }))`
  const backwards = [...providerKey].reverse().join('')
  const command = `cat > search.js <<'END'\n${search}\nEND\nnode -e 'require("fs").writeFileSync("planted", [...process.argv[1]].reverse().join(""))' ${backwards}; node search.js ${backwards}; rm planted; node search.js ${backwards}`
  const run = stage.backend.offer({ prompt: script([bash(command), { say: 'done' }]) })
  expect(await stage.finished(run)).toMatchObject({ outcome: 'completed' })
  const [planted, clean] = [
    ...output(run)
      .replaceAll('\\', '')
      .matchAll(/\{"found":\[([^\]]*)\],"looked":\{"files":(\d+)/g),
  ]
  // The search does find what is there.
  expect(planted?.[1]).toContain('/workspace/planted')
  expect(clean?.[1]).toBe('')
  expect(Number(clean?.[2])).toBeGreaterThan(5)
  expect(JSON.stringify(run.events)).not.toContain(providerKey)
})
