/** Hot reload: files change, break, move and go while the server runs. */
import { execFile } from 'node:child_process'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type BlueprintRegistry, createRegistry } from '@tutti/engine'
import { createLogger } from '@tutti/telemetry'
import { expect, onTestFinished, test, vi } from 'vitest'
import { loadBlueprints } from '../src/start/load-blueprints.ts'
import { watchBlueprints } from '../src/start/watch-blueprints.ts'

const engine = import.meta.resolve('@tutti/engine')

const code = (name: string, end = 'done', version = 1): string => `
import { blueprint } from ${JSON.stringify(engine)}
export default blueprint({ name: '${name}', version: ${version} })
  .state('a', { start: true, to: ['${end}'] }, ({ goTo }) => goTo('${end}'))
  .end('${end}')
`

const document = (name: string, end = 'done'): string =>
  JSON.stringify({ format: 'tutti/v1', name, start: 'a', states: { a: { go_to: end } }, ends: { [end]: {} } })

interface Watched {
  folder: string
  registry: BlueprintRegistry
  lines: string[]
  write(name: string, text: string): Promise<void>
  /** Waits until the newest version of the blueprint has that end. */
  has(name: string, end: string): Promise<void>
}

const watched = async (files: Record<string, string>): Promise<Watched> => {
  const folder = await mkdtemp(join(tmpdir(), 'reload-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const write = (name: string, text: string) => writeFile(join(folder, name), text)
  for (const [name, text] of Object.entries(files)) await write(name, text)
  const registry = createRegistry([])
  registry.replace('dir', await loadBlueprints(folder))
  const lines: string[] = []
  const note = (line: unknown): void => void lines.push(String(line))
  const log = createLogger({ name: 'test', level: 'ERROR', format: 'text' })
  onTestFinished(
    watchBlueprints({ folder, blueprints: registry, log: Object.assign(log, { info: note, warn: note, error: note }) }),
  )
  const has = (name: string, end: string) =>
    vi.waitFor(() => expect(registry.get(name)?.endState(end)).toBeDefined(), { timeout: 10_000 })
  return { folder, registry, lines, write, has }
}

test('a changed file is loaded anew, a new one is there, one that is gone takes no new jobs', async () => {
  const { folder, registry, lines, write, has } = await watched({ 'one.ts': code('one'), 'two.json': document('two') })
  await write('one.ts', code('one', 'changed'))
  await has('one', 'changed')
  expect(lines.join('\n')).toMatch(/one v1 was replaced under the same version/)
  await write('three.ts', code('three'))
  await has('three', 'done')
  await write('two.json', document('two', 'other'))
  await has('two', 'other')
  await rm(join(folder, 'one.ts'))
  await vi.waitFor(() => expect(registry.get('one')).toBeUndefined(), { timeout: 10_000 })
  expect(registry.get('one', 1)?.endState('changed')).toBeDefined()
  expect(lines.join('\n')).toMatch(/one v1 takes no new jobs any more/)
})

test('a file that is put in place by a rename is seen, as editors do it', async () => {
  const { folder, write, has } = await watched({ 'one.ts': code('one') })
  await write('.one.ts.swp', code('one', 'renamed'))
  await rename(join(folder, '.one.ts.swp'), join(folder, 'one.ts'))
  await has('one', 'renamed')
})

test('a changed helper of the folder is loaded anew with the blueprint that imports it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'reload-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const importing = code('one').replace('export default', "import { help } from './helper.ts'\nexport default")
  await writeFile(join(folder, 'one.ts'), importing.replaceAll("'done'", 'help'))
  // In a process of its own: here modules are loaded by the test runner, not by Node.
  const script = `
    import { writeFile } from 'node:fs/promises'
    import { loadBlueprints } from ${JSON.stringify(new URL('../src/start/load-blueprints.ts', import.meta.url).href)}
    for (const help of ['first', 'second', 'third']) {
      await writeFile(${JSON.stringify(join(folder, 'helper.ts'))}, 'export const help: string = ' + JSON.stringify(help))
      const [one] = await loadBlueprints(${JSON.stringify(folder)}, { fresh: help !== 'first' })
      console.log(one.ends[0].name)
    }`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  expect(stdout).toBe('first\nsecond\nthird\n')
})

test('broken files keep what runs, and every fault is told with its file and line', async () => {
  const { registry, lines, write, has } = await watched({ 'one.ts': code('one'), 'two.json': document('two') })
  await write('two.json', document('two').replace('"done"}', '"nowhere"}'))
  await write('one.ts', `${code('one', 'changed')}\n\nthrow new Error('no database')`)
  await vi.waitFor(() => expect(lines.join('\n')).toMatch(/no database/), { timeout: 10_000 })
  expect(lines.join('\n')).toMatch(/one\.ts:8: no database/)
  expect(lines.join('\n')).toMatch(/two\.json: states: the state "a" leads to "nowhere"/)
  expect(registry.get('one')?.endState('done')).toBeDefined()
  expect(registry.get('two')?.endState('done')).toBeDefined()
  await write('two.json', document('two'))
  await write('one.ts', code('one', 'mended'))
  await has('one', 'mended')
})

test('other JSON files may lie in the folder', async () => {
  const { registry } = await watched({ 'package.json': '{"type":"module"}', 'tsconfig.json': '{ // a comment\n}' })
  expect(registry.names()).toEqual([])
})
