import { expect, test } from 'vitest'
import { createMetrics } from '../src/index.ts'

test('counters, histograms and gauges are told in the text format, with what the process tells of itself', async () => {
  const metrics = createMetrics()
  const count = metrics.counter({ name: 'jobs_total', help: 'Jobs.', labels: ['blueprint'] })
  const seconds = metrics.histogram({ name: 'job_seconds', help: 'Time.', buckets: [1, 5] })
  let length = 3
  metrics.gauge({ name: 'queue', help: 'Waiting.', labels: ['skill'] }, async () =>
    length === 0 ? [] : [{ labels: { skill: 'a"b' }, value: length }],
  )
  count({ blueprint: 'x' })
  count({ blueprint: 'x' }, 2)
  seconds({}, 3)
  const text = await metrics.render()
  expect(text).toContain('jobs_total{blueprint="x"} 3')
  expect(text).toContain('job_seconds_bucket{le="5"} 1')
  expect(text).toContain('queue{skill="a\\"b"} 3')
  expect(text).toContain('process_resident_memory_bytes')
  length = 0
  expect(await metrics.render()).not.toContain('a\\"b')
})

test('a gauge that cannot be read is left out, and the others are told', async () => {
  const errors: unknown[] = []
  const metrics = createMetrics({ onError: (error) => errors.push(error) })
  metrics.counter({ name: 'fine_total', help: 'Fine.' })({})
  metrics.gauge({ name: 'broken', help: 'Broken.' }, async () => {
    throw new Error('no store')
  })
  const text = await metrics.render()
  expect(text).toContain('fine_total 1')
  expect(text).not.toMatch(/^broken /m)
  expect(errors).toHaveLength(1)
})

test('two servers of one process do not count into each other', async () => {
  const [one, other] = [createMetrics(), createMetrics()]
  one.counter({ name: 'jobs_total', help: 'Jobs.' })({})
  other.counter({ name: 'jobs_total', help: 'Jobs.' })
  expect(await other.render()).toContain('jobs_total 0')
})
