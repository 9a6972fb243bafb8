/** Data that breaks careless adapters: nothing of it may be lost, changed, or keep other changes from being taken. */
import type { JsonObject } from '@tutti/contracts'
import type { Job } from '@tutti/engine'
import { expect, test } from 'vitest'
import { aChange, accept, aJob, anEvent, aTask, aTimer, type Current, leaseOne } from './subject.ts'

const odd: [name: string, data: JsonObject][] = [
  ['a null byte', { text: 'a\u0000b', '\u0000': '\\u0000' }],
  ['a lone surrogate', { high: '\ud83d', low: '\ude00', '\ud800': 1 }],
  ['emoji and right-to-left', { '👩‍👩‍👧': 'שלום', combined: 'é vs e\u0301' }],
  ['line and unit separators', { text: '\u2028\u2029\x1e\x1f\r\n\t\b' }],
  ['quotes and backslashes', { text: `"'\\{},\\"$1 \${x} %s -- ; DROP TABLE` }],
  [
    'numbers at their limits',
    { max: Number.MAX_VALUE, min: 5e-324, safe: Number.MAX_SAFE_INTEGER, tenth: 0.1, e: -1.5e-7 },
  ],
  ['a key __proto__', JSON.parse('{"__proto__": {"admin": true}, "constructor": 1, "toString": null}') as JsonObject],
  ['emptiness', { '': '', list: [], object: {}, nothing: null, no: false, zero: 0 }],
  ['deep nesting', { nested: JSON.parse(`${'['.repeat(200)}1${']'.repeat(200)}`) as JsonObject }],
  ['a megabyte', { text: 'é\u0000"'.repeat(100_000) }],
]

export const oddDataSuite = (current: Current): void => {
  test.each(odd)('%s survives wherever data is stored', async (_, data) => {
    const { store } = current()
    const job: Job = aJob({
      input: data,
      data,
      output: data,
      results: [data],
      metadata: data,
      last: { status: 'success', data, error: { code: 'X', message: JSON.stringify(data).slice(0, 200) } },
      seq: 1,
    })
    const child = aJob({ input: data })
    const task = aTask(job, { params: data })
    const event = anEvent(job, 1, { data })
    const timer = aTimer(job, {
      cause: { type: 'child_ended', childId: 'c', status: 'finished', output: data, error: null },
    })
    const spawn = [{ job: child, events: [], timers: [] }]
    await accept(store, aChange(job, { enqueue: [task], events: [event], setTimers: [timer], spawn }))
    const same = (actual: unknown, expected: unknown): void => {
      expect(actual).toEqual(expected)
      // `toEqual` looks past a key `__proto__`.
      expect(JSON.stringify(actual)).toBe(JSON.stringify(expected))
    }
    const [readJob, readChild] = await store.job([job.id, child.id])
    same(readJob?.input, data)
    same(readJob?.data, data)
    same(readJob?.output, data)
    same(readJob?.results, [data])
    same(readJob?.last, job.last)
    same(readChild?.input, data)
    same((await store.events(job.id, 0, 1))[0]?.data, data)
    same((await leaseOne(store)).task.params, data)
    const { timers } = await store.leaseTimers({ limit: 1, leaseMs: 0 })
    expect(timers).toEqual([timer])
    expect((await store.jobs({ client: null, limit: 2 })).jobs).toHaveLength(2)
  })

  const names = [
    'with,comma',
    '"quoted"',
    "it's",
    'back\\slash',
    '{braces}',
    'NULL',
    ' spaces ',
    'null\u0000byte',
    'unit\x1fseparator',
    'half \ud83d emoji',
    'é👍',
    '__proto__',
  ]

  test('a tag is found under its own name, whatever it holds', async () => {
    const { store } = current()
    const jobs = names.map((tag) => aJob({ tags: [tag, 'common'] }))
    await accept(store, ...jobs.map((job) => aChange(job)))
    for (const job of jobs) {
      const [tag] = job.tags
      const found = await store.jobs({ client: null, limit: 10, ...(tag === undefined ? {} : { labels: [tag] }) })
      expect(found.jobs).toEqual([job])
    }
    expect((await store.jobs({ client: null, limit: 50, labels: ['common'] })).jobs).toHaveLength(names.length)
    expect((await store.jobs({ client: null, limit: 50, labels: ['unit'] })).jobs).toEqual([])
  })

  test('no tags come back as no tags', async () => {
    const { store } = current()
    const job = aJob({ tags: [] })
    await accept(store, aChange(job))
    expect((await store.job([job.id]))[0]?.tags).toEqual([])
    expect((await store.jobs({ client: null, limit: 5, labels: [''] })).jobs).toEqual([])
  })

  test.each(names)('a skill, key, client or worker named %j works like any other', async (name) => {
    const { store } = current()
    const job = aJob({ client: name })
    const tasks = [1, 2].map(() => aTask(job, { skill: name, concurrencyKey: name, client: name }))
    await accept(store, aChange(job, { enqueue: tasks }))
    expect((await store.jobs({ client: name, limit: 5 })).jobs).toEqual([job])
    const leased = await leaseOne(store, { worker: name, queues: [name, 'other'], max: 2 })
    expect(leased.task).toEqual(tasks[0])
    expect(await store.held(name, leased.task.id)).toBe(leased.token)
    expect(await store.renew({ worker: name, taskIds: [leased.task.id, name], leaseMs: 60_000 })).toEqual([
      leased.task.id,
    ])
    expect(await store.held(name, name)).toBeUndefined()
    await store.expireLeases(name)
    expect((await store.leaseTimers({ limit: 5, leaseMs: 0 })).lost).toHaveLength(1)
  })
}
