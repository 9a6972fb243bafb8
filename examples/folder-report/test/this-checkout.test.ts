/** The report of this very repository, against the tools that everybody trusts. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { joinMeasurements, measureFiles, scanFolder } from '../src/index.ts'
import { aTask, folderWith, run } from './support.ts'

const checkout = join(import.meta.dirname, '../../..')

test('lines, words, bytes and marks are those of wc and grep', async () => {
  const found = await scanFolder({ folder: checkout }, aTask())
  const paths = found.files.map(({ path }) => path)
  expect(paths).toContain('examples/folder-report/src/measure.ts')
  expect(paths.some((path) => path.startsWith('node_modules/') || path.startsWith('.git/'))).toBe(false)

  // A copy, because people and tools write into a checkout while this runs.
  const folder = await folderWith({ list: paths.join('\0') })
  run(checkout, 'sh', '-c', 'xargs -0 cp --parents -t "$1" < "$1/list"', 'sh', folder)
  run(folder, 'rm', 'list')
  const scan = await scanFolder({ folder }, aTask())
  expect(scan.chunks.length).toBeGreaterThan(2)
  const parts = []
  for (const files of scan.chunks) parts.push(await measureFiles({ folder, files }, aTask()))
  const report = joinMeasurements(parts)

  const names = scan.files.map(({ path }) => path)
  const [lines, words, bytes] = run(folder, 'sh', '-c', 'cat -- "$@" | wc -lwc', 'sh', ...names)
    .trim()
    .split(/ +/)
  expect(report).toMatchObject({ files: names.length, lines: Number(lines), bytes: Number(bytes), missing: [] })
  // Not of the files together: the last word of one and the first of the next would be one where a line end lacks.
  const wordsEach = run(folder, 'wc', '-w', '--', ...names)
    .trim()
    .split('\n')
    .at(-1)
  expect(report.words).toBe(Number.parseInt(wordsEach ?? '', 10))
  expect(report.words).toBeGreaterThanOrEqual(Number(words))
  const marks = run(folder, 'grep', '-a', '-w', '-E', 'TODO|FIXME|XXX|HACK', '-c', '-h', '--', ...names)
  expect(report.todos).toHaveLength(
    marks
      .trim()
      .split('\n')
      .reduce((sum, count) => sum + Number(count), 0),
  )
  expect(report.todos.length).toBeGreaterThan(0)
})
