import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { configurationReference, referenceFile } from '../../scripts/configuration-reference.ts'

test('the configuration reference says what the code says', async () => {
  const committed = await readFile(referenceFile, 'utf8')
  expect(committed, 'run: node scripts/configuration-reference.ts').toBe(configurationReference())
})
