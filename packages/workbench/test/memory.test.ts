/** The memory over a real PostgreSQL: whose it is, who may write it, and what is found. */
import { createMemory, type MemoryAnswer, memoryCall, searchMemories } from '@tutti/contracts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createStage, finishOf, holder, type Stage, user } from './support/stage.ts'

let stage: Stage
beforeEach(async () => {
  stage = await createStage()
})
afterEach(() => stage.close())

const add = async (text: string, more: object = {}, userId = user): Promise<string> =>
  (await stage.workbench.memories.add(userId, createMemory.parse({ text, ...more }))).result.memory_id
const search = async (query: string, more: object = {}, userId = user): Promise<string[]> =>
  (await stage.workbench.memories.search(userId, searchMemories.parse({ query, ...more }))).map(({ memory }) => memory)

/** A run whose agent has the memory. */
const claimed = async (more: object = {}) => {
  await stage.send('go', { config: { memory_enabled: true }, ...more })
  return stage.claim()
}
type Run = Awaited<ReturnType<typeof claimed>>
const use = (run: Run, call: object, as = holder(run)): Promise<MemoryAnswer> =>
  stage.workbench.useMemory(run.run_id, { ...as, call: memoryCall.parse(call) })
const textsOf = ({ memories }: MemoryAnswer) => memories.map(({ memory }) => memory)

describe('found is', () => {
  test('what holds any of the words, in whichever language; a rare word counts more than those of every sentence', async () => {
    await add('The user likes the colour green')
    await add('The build is the one in the folder build')
    await add('The tests are the ones in the folder test')
    await add('Der Zug fährt um zehn')
    await add('会議は金曜日です')
    expect((await search('what is the colour that the user likes?'))[0]).toBe('The user likes the colour green')
    expect((await search('in the folder of the tests'))[0]).toBe('The tests are the ones in the folder test')
    expect(await search('zug')).toEqual(['Der Zug fährt um zehn'])
    expect(await search('金曜日')).toEqual(['会議は金曜日です'])
    expect(await search('gre')).toEqual(['The user likes the colour green'])
    expect(await search('nowhere')).toEqual([])
    expect(await search('?!')).toEqual([])
    expect(await search("'; drop table workbench.memories --")).toEqual([])
  })

  test('scored between 0 and 1, all words being 1', async () => {
    await add('green tea')
    await add('black tea')
    const found = await stage.workbench.memories.search(user, searchMemories.parse({ query: 'green tea' }))
    expect(found.map(({ memory }) => memory)).toEqual(['green tea', 'black tea'])
    expect(found[0]?.score).toBeCloseTo(1)
    expect(found[1]?.score).toBeGreaterThan(0)
    expect(found[1]?.score).toBeLessThan(0.5)
  })
})

test('what-a-person-writes-reads-changes-and-forgets', async () => {
  const { memories } = stage.workbench
  const id = await add('likes tea', { metadata: { from: 'chat' } })
  expect(await memories.job(user, id)).toMatchObject({ job_id: id, status: 'success', result: { memory_id: id } })
  expect(await add('likes tea')).toBe(id)
  expect(await memories.put(user, id, { text: 'likes coffee\0' })).toMatchObject({
    memory: 'likes coffee�',
    metadata: { from: 'chat' },
  })
  expect(await search('tea')).toEqual([])
  expect(await search('coffee')).toHaveLength(1)
  expect(await memories.history(user, id)).toMatchObject([
    { event: 'ADD', old_memory: null, new_memory: 'likes tea' },
    { event: 'UPDATE', old_memory: 'likes tea', new_memory: 'likes coffee�' },
  ])
  await memories.forget(user, id)
  await expect(memories.get(user, id)).rejects.toMatchObject({ code: 'MEMORY_NOT_FOUND' })
  expect(await stage.database.query('select * from workbench.memory_changes')).toEqual([])
  const messages = [
    { role: 'user', content: 'I like tea' },
    { role: 'user', content: 'and cake' },
  ]
  await memories.add(user, createMemory.parse({ messages }))
  expect(await search('cake')).toEqual(['I like tea\nand cake'])
  expect(await memories.forgetAll(user)).toBe(1)
})

test('nothing-of-it-is-a-strangers', async () => {
  const { memories } = stage.workbench
  const id = await add('a secret word')
  const unknown = { code: 'MEMORY_NOT_FOUND' }
  await expect(memories.get('stranger', id)).rejects.toMatchObject(unknown)
  await expect(memories.put('stranger', id, { text: 'x' })).rejects.toMatchObject(unknown)
  await expect(memories.forget('stranger', id)).rejects.toMatchObject(unknown)
  await expect(memories.history('stranger', id)).rejects.toMatchObject(unknown)
  await expect(memories.job('stranger', id)).rejects.toMatchObject(unknown)
  expect(await search('secret', {}, 'stranger')).toEqual([])
  expect(await memories.list('stranger', { limit: 10, offset: 0 })).toEqual([])
  expect(await memories.forgetAll('stranger')).toBe(0)
  expect(await memories.get(user, id)).toMatchObject({ memory: 'a secret word' })
})

test('two-that-write-the-same-at-once-write-it-once', async () => {
  const ids = await Promise.all(Array.from({ length: 8 }, () => add('the same')))
  expect(new Set(ids).size).toBe(1)
})

describe('an agent', () => {
  test('finds in one session what another one has written, and the log of each says what was changed', async () => {
    const first = await claimed()
    expect(first.options).toMatchObject({ memory: true, instructions: expect.stringContaining('memory_search') })
    const { memories } = await use(first, { op: 'add', text: 'the user lives in Vienna' })
    expect(memories[0]).toMatchObject({ run_id: first.run_id, project_id: null })
    await stage.workbench.finishRun(first.run_id, finishOf(first))
    const second = await claimed()
    expect(second.session_id).not.toBe(first.session_id)
    expect(textsOf(await use(second, { op: 'search', query: 'where does the user live?' }))).toEqual([
      'the user lives in Vienna',
    ])
    const id = memories[0]?.id
    await use(second, { op: 'update', id, text: 'the user lives in Graz' })
    await use(second, { op: 'delete', id })
    const logged = (await stage.frames(second.session_id)).filter(({ type }) => type === 'memory.update')
    expect(logged.map(({ data }) => data)).toEqual([
      { run_id: second.run_id, op: 'update', memory_id: id, memory: 'the user lives in Graz' },
      { run_id: second.run_id, op: 'delete', memory_id: id, memory: null },
    ])
  })

  test('that was replaced reads and writes nothing', async () => {
    const run = await claimed()
    await add('known')
    await stage.loseLease(run.job_id)
    const next = await stage.claim('manager-2')
    expect(next.run_id).toBe(run.run_id)
    await expect(use(run, { op: 'add', text: 'late' })).rejects.toMatchObject({ code: 'LEASE_LOST' })
    await expect(use(run, { op: 'search', query: 'known' })).rejects.toMatchObject({ code: 'LEASE_LOST' })
    expect(await search('late')).toEqual([])
    expect(textsOf(await use(next, { op: 'list' }, holder(next, 'manager-2')))).toEqual(['known'])
    await stage.workbench.finishRun(next.run_id, finishOf(next, {}, 'manager-2'))
    await expect(use(next, { op: 'list' }, holder(next, 'manager-2'))).rejects.toMatchObject({ code: 'LEASE_LOST' })
  })

  test('without the memory switched on has none, nor a word about it', async () => {
    await stage.send('go', { config: { instructions: 'be brief' } })
    const run = await stage.claim()
    expect(run.options).toMatchObject({ instructions: 'be brief' })
    expect(run.options.memory).toBe(undefined)
    await expect(use(run, { op: 'list' })).rejects.toMatchObject({ code: 'FORBIDDEN' })
  })

  test('sees what is for all of its user and for its project, never another project’s or a stranger’s', async () => {
    const [mine, other] = await Promise.all(['a', 'b'].map((name) => stage.workbench.createProject(user, { name })))
    await add('word for all')
    await add('word of mine', { project_id: mine?.project_id })
    const hidden = await add('word of other', { project_id: other?.project_id })
    const strange = await add('word of a stranger', {}, 'stranger')
    const run = await claimed({ project_id: mine?.project_id })
    expect(textsOf(await use(run, { op: 'search', query: 'word' })).sort()).toEqual(['word for all', 'word of mine'])
    expect(textsOf(await use(run, { op: 'list' })).sort()).toEqual(['word for all', 'word of mine'])
    for (const id of [hidden, strange])
      for (const call of [
        { op: 'get', id },
        { op: 'update', id, text: 'x' },
        { op: 'delete', id },
      ])
        await expect(use(run, call)).rejects.toMatchObject({ code: 'MEMORY_NOT_FOUND' })
    const { memories } = await use(run, { op: 'add', text: 'only here', only_this_project: true })
    expect(memories[0]?.project_id).toBe(mine?.project_id)
    await stage.workbench.finishRun(run.run_id, finishOf(run))
    const without = await claimed()
    expect(textsOf(await use(without, { op: 'list' }))).toEqual(['word for all'])
    // Its owner sees all of it, until the project is deleted.
    expect((await search('word')).sort()).toEqual(['word for all', 'word of mine', 'word of other'])
    await stage.workbench.deleteProject(user, other?.project_id ?? '')
    expect((await search('word')).sort()).toEqual(['word for all', 'word of mine'])
  })

  test('that goes in circles is stopped, and may still read', async () => {
    const run = await claimed()
    await stage.database.query('update workbench.runs set memory_writes = 99 where id = $1', [run.run_id])
    await use(run, { op: 'add', text: 'the last' })
    await expect(use(run, { op: 'add', text: 'one more' })).rejects.toMatchObject({ code: 'MEMORY_FULL' })
    expect(textsOf(await use(run, { op: 'list' }))).toEqual(['the last'])
  })
})

test('a-full-memory-says-so', async () => {
  await stage.database.query(
    `insert into workbench.memories (id, user_id, text, search)
     select gen_random_uuid(), $1, 'memory ' || n, to_tsvector('simple', 'memory ' || n) from generate_series(1, 5000) n`,
    [user],
  )
  await expect(add('one more')).rejects.toMatchObject({ code: 'MEMORY_FULL' })
  expect(await add('one more', {}, 'stranger')).toBeTruthy()
  expect((await search('memory 4711', { limit: 1 }))[0]).toBe('memory 4711')
})
