/** The registry changes while jobs run: all or nothing, told to whoever listens, and never under a running job. */
import { expect, test } from 'vitest'
import { type Blueprint, blueprint, createRegistry, type RegistryChange } from '../src/index.ts'
import { answer, create, createFleet, takeOne } from './fleet.ts'

/** Its end is declared twice. */
const broken = (name: string, version = 1): Blueprint =>
  blueprint({ name, version })
    .state('a', { start: true, to: ['b'] }, ({ dispatch }) => dispatch('work', {}, { on: { success: 'b' } }))
    .end('b')
    .end('b')

const sound = (name: string, version = 1, options: { endpoint?: string; end?: string } = {}): Blueprint =>
  blueprint({ name, version, ...(options.endpoint ? { endpoint: options.endpoint } : {}) })
    .state('a', { start: true, to: [options.end ?? 'b'] }, ({ dispatch }) =>
      dispatch('work', {}, { on: { success: options.end ?? 'b' } }),
    )
    .end(options.end ?? 'b')

const shown = (change: RegistryChange | undefined) => ({
  added: change?.added.map(({ name, version }) => `${name} ${version}`),
  replaced: change?.replaced.map(({ now }) => `${now.name} ${now.version}`),
  retired: change?.retired.map(({ name, version }) => `${name} ${version}`),
})

test('replacing one origin leaves the others alone, and tells what changed', () => {
  const registry = createRegistry([sound('built_in')])
  const changes: RegistryChange[] = []
  const stop = registry.onChange((change) => changes.push(change))
  registry.replace('dir', [sound('one'), sound('two')])
  expect(shown(changes[0])).toEqual({ added: ['one 1', 'two 1'], replaced: [], retired: [] })
  registry.replace('dir', [sound('one', 1, { end: 'c' }), sound('three')])
  expect(shown(changes[1])).toEqual({ added: ['three 1'], replaced: ['one 1'], retired: ['two 1'] })
  expect(registry.names().sort()).toEqual(['built_in', 'one', 'three'])
  expect(registry.get('one')?.endState('c')).toBeDefined()
  stop()
  registry.replace('dir', [])
  expect(changes).toHaveLength(2)
})

test('a faulty set changes nothing, and every fault is told', () => {
  const registry = createRegistry([sound('built_in', 1, { endpoint: '/x' })])
  registry.replace('dir', [sound('one')])
  const changes: RegistryChange[] = []
  registry.onChange((change) => changes.push(change))
  const replacing = () =>
    registry.replace('dir', [
      sound('fine'),
      broken('broken'),
      sound('built_in', 1, { endpoint: '/x' }),
      sound('rival', 1, { endpoint: 'x/' }),
    ])
  expect(replacing).toThrow(/"broken" v1: the state "b" is declared more than once/)
  expect(replacing).toThrow(/"built_in" v1 is there twice/)
  expect(replacing).toThrow(/"rival": the endpoint x\/ belongs to another blueprint/)
  expect(changes).toEqual([])
  expect(registry.names().sort()).toEqual(['built_in', 'one'])
})

test('what is retired is not offered, and still runs', async () => {
  const fleet = createFleet([])
  const engine = fleet.engine()
  engine.blueprints.replace('dir', [sound('gone'), sound('kept', 1), sound('kept', 2)])
  const job = await create(engine, 'gone')
  engine.blueprints.replace('dir', [sound('kept', 1)])
  expect(engine.blueprints.get('gone')).toBeUndefined()
  expect(engine.blueprints.get('kept')?.version).toBe(1)
  expect(engine.blueprints.get('kept', 2)?.version).toBe(2)
  expect(engine.blueprints.versions()).toContainEqual({ name: 'gone', version: 1 })
  await expect(create(engine, 'gone')).rejects.toMatchObject({ code: 'BLUEPRINT_NOT_FOUND' })
  expect(await answer(engine, await takeOne(engine))).toEqual({ status: 'accepted' })
  expect((await engine.job(job.id, null)).status).toBe('finished')
  engine.blueprints.replace('dir', [sound('gone')])
  expect(engine.blueprints.get('gone')?.version).toBe(1)
})

test('over the API a version means one definition for ever; the same again is no change', () => {
  const registry = createRegistry([])
  const changes: RegistryChange[] = []
  registry.onChange((change) => changes.push(change))
  registry.add('api', sound('a'))
  registry.add('api', sound('a'))
  expect(changes).toHaveLength(1)
  expect(() => registry.add('api', sound('a', 1, { end: 'c' }))).toThrow(/another definition.*new version/)
  registry.add('api', sound('a', 2, { end: 'c' }))
  registry.remove('api', 'a', 2)
  expect(registry.get('a')?.version).toBe(1)
  // Also not after it was taken away: jobs may still be in the middle of it.
  expect(() => registry.add('api', sound('a', 2))).toThrow(/another definition/)
  registry.add('api', sound('a', 2, { end: 'c' }))
  expect(registry.get('a')?.version).toBe(2)
  expect(shown(registry.remove('dir', 'a'))).toEqual({ added: [], replaced: [], retired: [] })
  expect(shown(registry.remove('api', 'a')).retired).toEqual(['a 1', 'a 2'])
})

test('a job that waited for its blueprint goes on as soon as it is there', async () => {
  const fleet = createFleet([])
  const other = fleet.engine({ blueprints: [sound('late')], start: false })
  const engine = fleet.engine({ settings: { safetyIntervalMs: 600_000 } })
  const { id } = await create(other, 'late')
  await answer(engine, await takeOne(engine))
  await fleet.time.pass(5_000)
  expect((await engine.job(id, null)).status).toBe('running')
  engine.blueprints.add('api', sound('late'))
  await fleet.time.pass(1_000)
  expect((await engine.job(id, null)).status).toBe('finished')
})
