/** From the words of a command to the options of a stack, and the ports that come of them. */
import { silentLogger } from '@tutti/telemetry'
import { expect, test } from 'vitest'
import { type StackFlags, stackOptions } from '../src/commands/options.ts'
import { UsageError } from '../src/faults.ts'
import { choosePorts, PortError } from '../src/stack/ports.ts'
import { takenPort } from './support/stack.ts'

const flags: StackFlags = {
  host: '127.0.0.1',
  split: false,
  storage: 'postgres',
  sandbox: 'bubblewrap',
  allowFolder: [],
}
const optionsOf = (more: Partial<StackFlags>, env: Record<string, string> = {}) =>
  stackOptions({ ...flags, ...more }, env, silentLogger)

test.each<[Partial<StackFlags>, Record<string, string>, string]>([
  [{ storage: 'memory', split: true }, {}, '--storage memory lives in one process: leave out --split'],
  [{ allowFolder: ['/a:b'] }, {}, "agents can't be given /a:b: a colon divides the folders of STAGING_ROOTS"],
  [{}, { API_PORT: 'http' }, 'API_PORT is "http": a port is 0 to 65535'],
  [{}, { MANAGER_PORT: '65536' }, 'MANAGER_PORT is "65536": a port is 0 to 65535'],
])('%j with %j is refused', (given, env, said) => {
  expect(() => optionsOf(given, env)).toThrow(new UsageError(said))
})

test('a flag comes before the environment, that before the default', () => {
  expect(optionsOf({}).ports).toEqual({ api: 8080, backend: 8000, manager: 8001 })
  const env = { API_PORT: '1', PORT: '2', MANAGER_PORT: '', BLUEPRINTS_DIR: '/b', STAGING_ROOTS: '/x::/y' }
  expect(optionsOf({ apiPort: 0, allowFolder: ['/z'] }, env)).toMatchObject({
    ports: { api: 0, backend: 2, manager: 8001 },
    blueprintsDir: '/b',
    stagingRoots: ['/x', '/y', '/z'],
  })
  expect(optionsOf({ blueprints: '/c', dataDir: '/d' }, env)).toMatchObject({ blueprintsDir: '/c', dataDir: '/d' })
})

const wish = (port: number, use = 'orchestrator', option = '--api-port', host = '127.0.0.1') => ({
  ...{ host, port, use, option },
})

test('ports that are chosen together are free and differ', async () => {
  const ports = await choosePorts(Array.from({ length: 20 }, () => wish(0)))
  expect(new Set(ports).size).toBe(20)
  expect(await choosePorts(ports.map((port) => wish(port)))).toEqual(ports)
})

test('a port that is in use is named, with its use and the way out, and the others are let go', async () => {
  const { port, free } = await takenPort()
  const [other = 0] = await choosePorts([wish(0)])
  await expect(choosePorts([wish(other), wish(port, 'executor manager', '--manager-port')])).rejects.toThrow(
    `port ${port} (executor manager) is in use: stop what uses it, choose another with --manager-port, or take any with --manager-port 0`,
  )
  expect(await choosePorts([wish(other)])).toEqual([other])
  await free()
})

test('one port for two servers is refused before either has it', async () => {
  await expect(choosePorts([wish(41_999), wish(41_999, 'backend', '--port')])).rejects.toThrow(
    new PortError('port 41999 is asked for twice: orchestrator (--api-port) and backend (--port)'),
  )
})

test('an address that is not this machine’s', async () => {
  await expect(choosePorts([wish(0, 'backend', '--port', '192.0.2.1')])).rejects.toThrow(
    '192.0.2.1 is no address of this machine: choose another with --host',
  )
})
