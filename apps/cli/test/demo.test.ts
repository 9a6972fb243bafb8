/** The demo as a process: what it prints, what it leaves on the disk, and that it leaves nothing else. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { createLocalObjects } from '@tutti/objects'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { processesOf, run, type Started, tutti } from './support/processes.ts'
import { folderOf, freshDatabase, scratch } from './support/scratch.ts'
import { up } from './support/stack.ts'

const within = { timeout: 40_000 }

const files = {
  'README.md': '# A folder\n\nSee [the notes](notes/a.md) and [nothing](gone.md).\n',
  'notes/a.md': '# a\n\nTODO: write a\n',
}

const summarySchema = z.strictObject({
  job: z.strictObject({
    id: z.uuid(),
    status: z.literal('finished'),
    blueprint: z.literal('folder_report'),
    duration_ms: z.int().positive(),
    events: z.int().positive(),
  }),
  report: z.strictObject({ path: z.string(), bytes: z.int().positive(), object_key: z.string() }),
  session: z.strictObject({
    id: z.uuid(),
    messages: z.int().positive(),
    tool_calls: z.int().positive(),
    input_tokens: z.int().positive(),
    output_tokens: z.int().positive(),
    cost_usd: z.number(),
  }),
  workers: z.array(z.strictObject({ id: z.string(), tasks: z.int().positive() })),
  model: z.literal('scripted'),
  sandbox: z.literal('bubblewrap'),
  storage: z.string(),
})

const demoOf = async (folder: string): Promise<string[]> => [
  'demo',
  await folderOf(join(folder, 'given'), files),
  '--data-dir',
  join(folder, 'data'),
]

test('one document on stdout, the report on the disk, nothing left running; and once more on the same directory', async () => {
  const folder = await scratch()
  const { code, stdout, stderr } = await run([...(await demoOf(folder)), '--json'])
  expect(code).toBe(0)
  expect(stderr).not.toMatch(/^ +at /m)
  const { report, workers, storage, job } = summarySchema.parse(JSON.parse(stdout))
  expect(storage).toBe('postgres (built in)')
  expect(report.path).toBe(join(folder, 'data', 'report', 'REPORT.md'))
  expect(report.object_key).toMatch(/\/blobs\/[0-9a-f]{64}$/)
  const written = await readFile(report.path)
  expect(written.byteLength).toBe(report.bytes)
  expect(await objectOf(join(folder, 'data', 'objects'), report.object_key)).toEqual(written)
  const done = new Map(workers.map(({ id, tasks }) => [id, tasks]))
  expect(done.get('manager')).toBe(1)
  // One scan and at least one measurement, by either worker.
  expect((done.get('worker-1') ?? 0) + (done.get('worker-2') ?? 0)).toBeGreaterThanOrEqual(2)
  expect(processesOf(folder)).toEqual([])

  const again = await run([...(await demoOf(folder)), '--storage', 'memory'])
  expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('storage memory')])
  for (const told of ['scan', 'measure', 'write', 'review', 'done', '1 broken links', '1 TODO marks', 'REPORT.md'])
    expect(again.stdout).toContain(told)
  expect(again.stdout).not.toContain(job.id)
  expect(processesOf(folder)).toEqual([])
})

const objectOf = async (root: string, key: string): Promise<Buffer> => {
  const objects = createLocalObjects({ root, publicUrl: 'http://localhost', secret: 's'.repeat(32) })
  return buffer((await objects.get(key)).stream)
}

test('with jobs in Redis: a server of its own, gone with the demo, and both kinds of servers at the one store', async () => {
  const folder = await scratch()
  const { code, stdout, stderr } = await run([...(await demoOf(folder)), '--json', '--storage', 'redis', '--split'])
  expect(code).toBe(0)
  expect(stderr).not.toMatch(/^ +at /m)
  const { job, storage, workers } = summarySchema.parse(JSON.parse(stdout))
  expect(storage).toBe('redis (built in)')
  // The manager claims at the backend what the orchestrator has made: so the backend's store is the orchestrator's.
  expect(workers).toContainEqual({ id: 'manager', tasks: 1 })
  expect(await writtenBy(join(folder, 'data', 'redis'))).toContain(job.id)
  expect(processesOf(folder)).toEqual([])
})

/** All that the built-in Redis has on the disk. */
const writtenBy = async (dataDir: string): Promise<string> => {
  const folder = join(dataDir, 'appendonlydir')
  const files = await readdir(folder)
  return (await Promise.all(files.map((file) => readFile(join(folder, file), 'latin1')))).join('')
}

test('a worker that is killed midway is started again, and the job finishes', async () => {
  const folder = await scratch()
  const demo = tutti([...(await demoOf(folder)), '--storage', 'memory'], { DATABASE_URL: await freshDatabase() })
  await demo.prints(/^Job /m)
  const worker = await vi.waitUntil(() => workersOf(folder)[0], within)
  process.kill(worker.pid, 'SIGKILL')
  await vi.waitUntil(() => {
    const alive = workersOf(folder).map(({ pid }) => pid)
    return alive.length === 2 && !alive.includes(worker.pid)
  }, within)
  expect([(await demo.ended).code, demo.stdout()]).toEqual([0, expect.stringContaining('The report')])
  expect(processesOf(folder)).toEqual([])
})

const workersOf = (folder: string) => processesOf(folder).filter(({ command }) => command.includes('main.ts worker'))

test.each<[string, (folder: string, demo: Started) => Promise<unknown>]>([
  ['while the stack starts', (folder) => vi.waitUntil(() => processesOf(folder).some(isDatabase), within)],
  ['while the agent is at work', (_, demo) => demo.prints(/session running/)],
])('Ctrl+C %s leaves nothing running', async (_, reached) => {
  const folder = await scratch()
  const demo = tutti(await demoOf(folder))
  await reached(folder, demo)
  demo.kill('SIGINT')
  expect((await demo.ended).code).toBe(130)
  expect(demo.stderr()).toContain('interrupted')
  expect(demo.stderr()).not.toMatch(/^ +at /m)
  expect(processesOf(folder)).toEqual([])
})

const isRedis = ({ command }: { command: string }): boolean => command.includes('redis-server')
const isDatabase = ({ command }: { command: string }): boolean => command.includes('postgres')

test('servers of databases that a killed demo left are stopped before its directory is emptied', async () => {
  const folder = await scratch()
  const args = [...(await demoOf(folder)), '--storage', 'redis']
  const first = tutti(args)
  await first.prints(/^Job /m)
  first.kill('SIGKILL')
  await vi.waitUntil(() => processesOf(folder).every((each) => isDatabase(each) || isRedis(each)), within)
  expect(processesOf(folder).filter(isDatabase)).not.toEqual([])
  expect(processesOf(folder).filter(isRedis)).toHaveLength(1)
  const second = tutti(args)
  await second.prints(/^Job /m)
  second.kill('SIGTERM')
  expect((await second.ended).code).toBe(130)
  expect(processesOf(folder)).toEqual([])
})

test('a folder that there is not is named', async () => {
  const folder = await scratch()
  const { code, stdout, stderr } = await run(['demo', '/none/such', '--json', '--data-dir', join(folder, 'data')])
  expect([code, stdout, stderr]).toEqual([1, '', '/none/such is no folder\n'])
  await expect(stat(join(folder, 'data'))).rejects.toThrow('ENOENT')
})

test('a directory that is not a demo’s is not emptied, however much it looks like one', async () => {
  const folder = await scratch()
  await folderOf(join(folder, 'data'), { version: '1', 'secrets.json': '{}', 'thesis.txt': 'ten years' })
  const { code, stderr } = await run([...(await demoOf(folder)), '--json'])
  expect(code).toBe(1)
  expect(stderr).toMatch(/data holds something else than a demo's state: name another folder with --data-dir/)
  expect((await readdir(join(folder, 'data'))).sort()).toEqual(['secrets.json', 'thesis.txt', 'version'])
})

test('a directory that a stack uses is not emptied, even if a demo made it', async () => {
  const folder = await scratch()
  const dataDir = join(folder, 'data')
  await folderOf(dataDir, { '.tutti-demo': '' })
  const stack = await up(dataDir, [], { DATABASE_URL: await freshDatabase() })
  await writeFile(join(dataDir, 'mine'), '')
  const { code, stderr } = await run([...(await demoOf(folder)), '--json'])
  expect(code).toBe(2)
  expect(stderr).toContain(`${dataDir} is in use by process ${stack.pid}`)
  expect(await readdir(dataDir)).toContain('mine')
  stack.kill('SIGTERM')
  expect((await stack.ended).code).toBe(0)
})
