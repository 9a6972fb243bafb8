import fc from 'fast-check'
import { expect, test } from 'vitest'
import { joinMeasurements, type Measurement, measureFiles } from '../src/index.ts'
import { aTask, folderWith } from './support.ts'

const files = {
  'a.md': '# A\n[x](gone.md)\nTODO one\n',
  'b.md': '# A\n[x](gone.md)\nTODO one\n',
  'c.ts': 'const c = 1\n// FIXME two\n// TODO three\n',
  'd.TS': 'const d = 1\n',
  'e/empty1': '',
  'e/empty2': '',
  'f.constructor': 'x\n',
  Makefile: 'all:\n',
  '.hidden': 'h\n',
}

test('however the files are shared out, the report is the same', async () => {
  const folder = await folderWith(files)
  const measure = (paths: string[]) => measureFiles({ folder, files: paths }, aTask())
  const whole = joinMeasurements([await measure(Object.keys(files))])
  expect(whole).toMatchObject({
    files: 9,
    lines: 13,
    headings: 2,
    links: 2,
    broken_links: [
      { file: 'a.md', link: 'gone.md' },
      { file: 'b.md', link: 'gone.md' },
    ],
    duplicates: [{ files: ['a.md', 'b.md'], hash: expect.stringMatching(/^[0-9a-f]{64}$/) }],
    by_extension: {
      '(none)': { files: 4, lines: 2 },
      constructor: { files: 1, bytes: 2, lines: 1 },
      md: { files: 2, lines: 6 },
      ts: { files: 2, lines: 4 },
    },
    missing: [],
  })
  expect(whole.todos.map(({ file, line }) => `${file}:${line}`)).toEqual(['a.md:3', 'b.md:3', 'c.ts:2', 'c.ts:3'])

  const paths = Object.keys(files)
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(paths, { minLength: paths.length }),
      fc.integer({ min: 1, max: 9 }),
      async (order, size) => {
        const parts: Measurement[] = []
        for (let from = 0; from < order.length; from += size) parts.push(await measure(order.slice(from, from + size)))
        expect(joinMeasurements(parts)).toEqual(whole)
      },
    ),
    { numRuns: 15 },
  )
})

test('nothing joins to a report of nothing', () => {
  expect(joinMeasurements([])).toEqual({
    files: 0,
    bytes: 0,
    lines: 0,
    words: 0,
    headings: 0,
    links: 0,
    broken_links: [],
    todos: [],
    duplicates: [],
    largest: [],
    by_extension: {},
    missing: [],
  })
})

test('the ten largest, largest first', () => {
  const hashes = Array.from({ length: 30 }, (_, index) => ({
    path: `f${index}`,
    sha256: `${index}`,
    bytes: index % 15,
  }))
  const part: Measurement = {
    files: 30,
    bytes: 0,
    lines: 0,
    words: 0,
    headings: 0,
    links: 0,
    broken_links: [],
    todos: [],
    hashes,
    by_extension: {},
    missing: [],
  }
  const { largest } = joinMeasurements([part])
  expect(largest).toHaveLength(10)
  expect(largest.slice(0, 3)).toEqual([
    { file: 'f14', bytes: 14 },
    { file: 'f29', bytes: 14 },
    { file: 'f13', bytes: 13 },
  ])
})
