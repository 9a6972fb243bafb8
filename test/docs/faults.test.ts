/** The hazards of docs/faults.md: each has tests, and they are there under the names that it gives. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { repository } from './support/repository.ts'

const page = await readFile(join(repository, 'docs', 'faults.md'), 'utf8')
const [, ...hazards] = page.split(/^## /m)

test('hazards are told at all', () => expect(hazards.length).toBeGreaterThanOrEqual(30))

for (const hazard of hazards) {
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
