/** The hazards of docs/faults.md and docs/faults-workbench.md: each has tests, and they are there under the names that it gives. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { repository } from './support/repository.ts'

const read = (page: string): Promise<string> => readFile(join(repository, 'docs', page), 'utf8')
const [, ...ofEngine] = (await read('faults.md')).split(/^## /m)
const [, ...ofWorkbench] = (await read('faults-workbench.md')).split(/^### /m)
const hazards = [...ofEngine, ...ofWorkbench]
const later = hazards.filter((hazard) => /^_Later work: .+_$/m.test(hazard))

test('hazards are told at all, and only these are left to later work', () => {
  expect(ofEngine.length).toBeGreaterThanOrEqual(30)
  expect(ofWorkbench.length).toBe(15 + 20 + 7 + 9)
  expect(later.map((hazard) => hazard.split('\n')[0])).toEqual(['S12', 'P7', 'O8'])
})

for (const hazard of hazards) {
  if (later.includes(hazard)) continue
  const [title = ''] = hazard.split('\n')
  test(`shown by tests that exist: ${title}`, async () => {
    const shown = [...hazard.matchAll(/^- \[.+?\]\(\.\.\/(.+?)\): “(.+)”$/gm)]
    expect(shown.length).toBeGreaterThan(0)
    for (const [, file = '', name = ''] of shown) {
      const source = await readFile(join(repository, file), 'utf8')
      const quoted = ["'", '"', '`'].map((mark) => `${mark}${name}${mark}`)
      expect(
        quoted.some((each) => source.includes(`test(${each}`) || source.includes(`it(${each}`)),
        `${file} has no test “${name}”`,
      ).toBe(true)
    }
  })
}
