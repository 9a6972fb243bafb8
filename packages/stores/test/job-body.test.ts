import { newJob } from '@tutti/engine'
import { expect, test } from 'vitest'
import { bodyOfJob, jobFrom } from '../src/job-body.ts'

const fresh = newJob({ id: 'j', blueprint: 'b', version: 2, start: 's', client: 'c', input: {} }, 1_000)
const columns = { rev: 7, wakeAt: 2_000 }

test('a job that nothing has happened to comes back whole, and the columns win', () => {
  expect(jobFrom(bodyOfJob(fresh), columns)).toEqual({ ...fresh, ...columns })
})

test('what differs from the beginning is kept, also where it is empty, zero or of another kind', () => {
  const job = {
    ...fresh,
    origin: { kind: 'parent', jobId: 'p' } as const,
    clientFacts: { plan: 'free', params: {} },
    output: [],
    last: { status: 'success', data: {}, error: null },
    data: JSON.parse('{"__proto__":{}}'),
    metadata: { empty: {}, none: null, list: [] },
    results: [null],
    tags: [''],
    progress: 0,
    dispatchTimeoutMs: 0,
    paused: true,
    undo: ['back'],
    status: 'running' as const,
    seq: 3,
  }
  expect(JSON.stringify(sorted(jobFrom(bodyOfJob(job), columns)))).toBe(JSON.stringify(sorted({ ...job, ...columns })))
})

test('an output that is an empty list does not become null, nor false, nor an empty object', () => {
  for (const output of [[], {}, false, 0, '', null])
    expect(jobFrom(bodyOfJob({ ...fresh, output }), columns).output).toEqual(output)
})

test('two jobs that are read share nothing that one of them might change', () => {
  const [one, two] = [jobFrom('{}', columns), jobFrom('{}', columns)]
  one.tags.push('mine')
  one.metadata.mine = true
  expect([two.tags, two.metadata]).toEqual([[], {}])
})

const sorted = (job: object): object => Object.fromEntries(Object.entries(job).sort(([a], [b]) => (a < b ? -1 : 1)))
