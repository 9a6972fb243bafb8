/** `tutti up` from its start to its end, however that comes. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { findRunning, openDataDir } from '../src/stack/data-dir.ts'
import { processesOf, tutti } from './support/processes.ts'
import { scratch } from './support/scratch.ts'
import { anyPorts, takenPort, up } from './support/stack.ts'

const within = { timeout: 40_000 }
const healthOf = async (url: string): Promise<number> => (await fetch(url)).status

/** Nobody is left, and the directory is free. */
const expectNothingLeft = async (folder: string, dataDir: string): Promise<void> => {
  expect(processesOf(folder)).toEqual([])
  expect(await findRunning(dataDir)).toBeUndefined()
  await (await openDataDir(dataDir)).release()
}

describe.each([
  ['in one process', [], 'SIGTERM'],
  ['in one process', [], 'SIGINT'],
  ['split', ['--split'], 'SIGTERM'],
] as const)('%s', (_, args, signal) => {
  test(`all servers answer, and ${signal} leaves nothing behind`, async () => {
    const folder = await scratch()
    const dataDir = join(folder, 'data')
    const manager = await takenPort()
    await manager.free()
    const stack = await up(dataDir, [...args, '--manager-port', String(manager.port)])

    expect(await healthOf(`${stack.apiUrl}/_public/health`)).toBe(200)
    expect(await healthOf(`${stack.backendUrl}/health`)).toBe(200)
    expect(await healthOf(`http://127.0.0.1:${manager.port}/health`)).toBe(200)
    const authorised = await fetch(`${stack.apiUrl}/api/v1/blueprints`, {
      headers: { 'x-client-token': stack.clientToken },
    })
    expect(authorised.status).toBe(200)
    expect(stack.workerToken).toHaveLength(43)
    expect(stack.stdout()).toContain('scripted: no AI')
    const running = await findRunning(dataDir)
    expect(running).toMatchObject({ pid: stack.pid, apiUrl: stack.apiUrl, backendUrl: stack.backendUrl })
    expect(new Set(Object.values(running?.processes ?? {})).size).toBe(args.length === 0 ? 1 : 3)

    stack.kill(signal)
    expect(await stack.ended).toEqual({ code: 0, signal: null })
    await expectNothingLeft(folder, dataDir)
  })
})

test('killed with -9, its servers end by themselves, and the next start takes over what is left', async () => {
  const folder = await scratch()
  const dataDir = join(folder, 'data')
  const first = await up(dataDir, ['--split'])
  const servers = Object.values((await findRunning(dataDir))?.processes ?? {})
  expect(servers).toHaveLength(3)
  first.kill('SIGKILL')
  await vi.waitUntil(() => !processesOf(folder).some(({ pid }) => servers.includes(pid)), within)
  expect(await findRunning(dataDir)).toBeUndefined()
  // The database server is a daemon, and was not told.
  expect(processesOf(folder).some(({ command }) => command.includes('postgres'))).toBe(true)

  const second = await up(dataDir)
  expect(second.clientToken).toBe(first.clientToken)
  second.kill('SIGTERM')
  expect((await second.ended).code).toBe(0)
  await expectNothingLeft(folder, dataDir)
})

test('a server that is killed is started again, and the new one is announced', async () => {
  const folder = await scratch()
  const dataDir = join(folder, 'data')
  const stack = await up(dataDir, ['--split'])
  const before = (await findRunning(dataDir))?.processes.backend ?? 0
  process.kill(before, 'SIGKILL')
  await vi.waitUntil(async () => (await findRunning(dataDir))?.processes.backend !== before, within)
  await vi.waitUntil(() => healthOf(`${stack.backendUrl}/health`).catch(() => 0), within)
  stack.kill('SIGINT')
  expect((await stack.ended).code).toBe(0)
  await expectNothingLeft(folder, dataDir)
})

test('told to stop while it starts, it leaves nothing behind', async () => {
  const folder = await scratch()
  const dataDir = join(folder, 'data')
  const starting = tutti(['up', '--data-dir', dataDir, ...anyPorts])
  // The database server is up or on its way, and would stay.
  await vi.waitUntil(() => processesOf(folder).some(({ command }) => command.includes('postgres')), within)
  starting.kill('SIGINT')
  expect((await starting.ended).code).toBe(0)
  expect(starting.stdout()).not.toContain('Tutti is up')
  await expectNothingLeft(folder, dataDir)
})

test('tokens that the environment sets are those that it shows and announces', async () => {
  const folder = await scratch()
  const dataDir = join(folder, 'data')
  const own = { CLIENT_TOKEN: 'c'.repeat(40), GLOBAL_WORKER_TOKEN: 'w'.repeat(40) }
  const stack = await up(dataDir, ['--storage', 'memory'], own)
  expect([stack.clientToken, stack.workerToken]).toEqual(Object.values(own))
  expect((await findRunning(dataDir))?.clientToken).toBe(own.CLIENT_TOKEN)
  expect(await readFile(join(dataDir, 'secrets.json'), 'utf8')).not.toContain(own.CLIENT_TOKEN)
  const listed = tutti(['job', 'list'], { TUTTI_DATA_DIR: dataDir })
  expect([(await listed.ended).code, listed.stderr()]).toEqual([0, ''])
  stack.kill('SIGTERM')
  expect((await stack.ended).code).toBe(0)
})
