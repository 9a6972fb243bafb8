/** The table of errors in the guide is the catalogue, no more and no less. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCatalogue } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { repository } from './support/repository.ts'

test('the guide of the client API lists every error with its status, and what to do', async () => {
  const guide = await readFile(join(repository, 'docs/guides/api.md'), 'utf8')
  const [, table = ''] = guide.split('\n## Errors\n')
  const rows = [...table.matchAll(/^\| `(\w+)` +\| (\d+) +\| (yes|no) +\| (.+?) +\|$/gm)].map(([, ...cells]) => cells)
  const expected = Object.entries(errorCatalogue).map(([code, { status, retryable, hint }]) => [
    code,
    String(status),
    retryable ? 'yes' : 'no',
    hint,
  ])
  expect(rows).toEqual(expected)
})
