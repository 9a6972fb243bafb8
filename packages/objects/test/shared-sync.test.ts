import { expect, it } from 'vitest'
import { createSharedSync } from '../src/local/folders.ts'

/** A disk whose syncs end when the test says so. */
const disk = () => {
  const syncs: { folder: string; end: PromiseWithResolvers<void> }[] = []
  const sync = createSharedSync((folder) => {
    const end = Promise.withResolvers<void>()
    syncs.push({ folder, end })
    return end.promise
  })
  return { syncs, sync }
}
const soon = () => new Promise(setImmediate)

it('gives everybody a sync that began after they asked, and those who wait together the same one', async () => {
  const { syncs, sync } = disk()
  const done: string[] = []
  const ask = (name: string, folder = '/a') => void sync(folder).then(() => done.push(name))
  ask('first')
  await soon()
  for (const name of ['second', 'third']) ask(name)
  ask('elsewhere', '/b')
  await soon()
  expect(syncs.map(({ folder }) => folder)).toEqual(['/a', '/b'])
  syncs[0]?.end.resolve()
  await soon()
  // The one that was under way when they asked may have missed what they had renamed.
  expect(done).toEqual(['first'])
  expect(syncs.map(({ folder }) => folder)).toEqual(['/a', '/b', '/a'])
  for (const { end } of syncs) end.resolve()
  await soon()
  expect(done.toSorted()).toEqual(['elsewhere', 'first', 'second', 'third'])
})

it('tells a failure to those whose sync it was, and syncs again for the next', async () => {
  const { syncs, sync } = disk()
  const failing = sync('/a')
  await soon()
  const waiting = sync('/a')
  syncs[0]?.end.reject(new Error('the disk'))
  await expect(failing).rejects.toThrow('the disk')
  await soon()
  syncs[1]?.end.resolve()
  await waiting
})
