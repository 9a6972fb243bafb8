/** What the documentation shows is executed, so that it stays true. */
import { expect, test } from 'vitest'
import { markdownBelow } from './support/repository.ts'
import { runGuide } from './support/run-guide.ts'

/** Guides in which nothing can be executed without a whole stack. */
const toBeRead = ['docs/guides/agents.md', 'docs/guides/operating.md', 'docs/workers/go.md', 'docs/workers/python.md']

for (const path of ['README.md', ...(await markdownBelow('docs/guides')), ...(await markdownBelow('docs/workers'))])
  test(`the examples work: ${path}`, async () => {
    const { executed } = await runGuide(path)
    if (!toBeRead.includes(path)) expect(executed).toBeGreaterThan(0)
  })
