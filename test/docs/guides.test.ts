/** What the documentation shows is executed, so that it stays true. */
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { planOf } from './support/plan.ts'
import { markdownBelow, repository } from './support/repository.ts'
import { runGuide } from './support/run-guide.ts'

/** Why a block of a guide is not executed: what it says behind `not-run=`. */
const reasons = {
  'needs-a-model': 'a provider that is not here; memory-by-meaning.test.ts has a server that speaks like it',
  picture: 'not a program',
  'read-apart': 'a file for a server: pull-schedule.test.ts reads it as the server does',
  'pg-dump':
    'the machine may have no pg_dump, or one older than the PostgreSQL of the tests; dump.test.ts executes it where one is',
  installs:
    'npm start installs packages into the checkout that the tests run from; apps/cli/test/run-script.test.ts is about it',
}

const guides = [...(await markdownBelow('docs/guides')), ...(await markdownBelow('docs/workers'))]
const planOfFile = async (path: string) => planOf(await readFile(join(repository, path), 'utf8'), Object.keys(reasons))
const hasGo = spawnSync('go', ['version'], { stdio: 'ignore' }).status === 0

for (const path of ['README.md', ...guides])
  test.skipIf(path === 'docs/workers/go.md' && !hasGo)(`the examples work: ${path}`, { timeout: 400_000 }, async () => {
    const { executed } = await runGuide(path)
    expect(executed).toBeGreaterThan(0)
  })

test.each(guides)('every block of %s is executed, or says why it can’t be', async (path) => {
  expect((await planOfFile(path)).faults).toEqual([])
})

test('no reason outlives the last block that gives it', async () => {
  const given = (await Promise.all(guides.map(planOfFile))).flatMap(({ notRun }) => notRun)
  expect([...new Set(given)].sort()).toEqual(Object.keys(reasons).sort())
})

describe('a guide that is not executed in full is told with the line', () => {
  const faultsOf = (...lines: string[]): string[] => planOf(lines.join('\n'), ['installs']).faults

  test.each([
    ['a block of which nothing is said', ['', '```sh', 'ls', '```'], 'line 2: no test executes it (sh )'],
    ['a block without a language', ['```', 'a', '```'], 'line 1: no test executes it ( )'],
    ['a misspelt word', ['```ts run bluprint', 'a', '```'], 'line 1: no test executes it (ts run bluprint)'],
    ['a language that nothing runs', ['```go run', 'a', '```'], 'line 1: no test executes it (go run)'],
    ['a reason that nobody knows', ['```sh not-run=lazy', 'ls', '```'], 'line 1: "lazy" is no reason'],
    ['an output of nothing', ['```text output', 'a', '```'], 'line 1: no command stands before'],
    ['an output of a blueprint', ['```ts run blueprint', '```', '```text output', 'a', '```'], 'line 3: no command'],
    ['a file that nothing uses', ['```toml file=a.toml', 'a', '```'], 'line 1: nothing that is executed names a.toml'],
    ['a server that says nothing', ['```sh run server', 'tutti up', '```'], 'line 1: what a server prints'],
  ])('%s', (_, lines, fault) => {
    expect(faultsOf(...lines)).toEqual([expect.stringContaining(fault)])
  })

  test.each([
    ['indented', ['- a', '', '  ```sh', '  ls', '  ```']],
    ['of tildes', ['', '', '~~~sh', 'ls', '~~~']],
    ['never closed', ['', '', '```sh run', 'ls']],
  ])('a fence that is %s', (_, lines) => {
    expect(() => faultsOf(...lines)).toThrow('line 3: a fence')
  })

  test('and one that is executed in full has no faults', () => {
    const lines = ['```sh run', 'cat a', '```', '```text output', 'x', '```', '', '````json file=a', '```', '````']
    expect(faultsOf(...lines, '```sh not-run=installs', 'npm start', '```')).toEqual([])
  })
})
