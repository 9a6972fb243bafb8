/** What can’t be done is refused in one sentence, before anything is started. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { run } from './support/processes.ts'
import { scratch } from './support/scratch.ts'

test.each<[string[], number, RegExp]>([
  [['job', 'list'], 1, /^no stack runs on .*: start one with npm start, or name an orchestrator with TUTTI_API_URL/],
  [['job', 'start', 'b', '--input', '{"a":'], 2, /^--input can't be read: .*JSON/],
  [['job', 'start', 'b', '--input', '[]'], 2, /^--input is no JSON object/],
  [['job', 'start', 'b', '--input', '@/none/such'], 2, /^--input can't be read: ENOENT/],
  [['schedule', 'put', 'n', '{'], 2, /^spec can't be read: .*JSON/],
  [['job', 'fork', 'x', '--seq', 'last'], 1, /a whole number, 0 or more/],
  [['job', 'list', '--limit', 'all'], 1, /a whole number, 0 or more/],
  [['worker', '/none/such.ts'], 2, /^there is no file \/none\/such\.ts/],
  [['worker', 'package.json'], 2, /^Set WORKER_TOKEN/],
  [['worker'], 2, /^Set WORKER_TOKEN/],
  [['blueprint', 'check', '/none/such'], 2, /^\/none\/such: /],
  [['blueprint', 'register', 'x.ts'], 2, /BLUEPRINTS_DIR/],
  [['blueprint', 'register', '/none/such.json'], 2, /can't be read: ENOENT/],
  [['blueprint', 'retire', 'noted'], 2, /say which version: noted@v1/],
  [['session', 'list'], 1, /^no stack runs on .*: start one with npm start, or name a backend with TUTTI_BACKEND_URL/],
  [['run', 'x', '--folder', 'a', '--upload', 'b'], 2, /leave one out/],
  [['run', 'x', '--continue', '--session', 'last'], 2, /leave one out/],
  [['run', 'x', '--branch', 'b'], 2, /needs --repo/],
  [['run', 'x', '--detach', '--answer', 'yes'], 2, /leave out --download and --answer/],
  [['run', 'x', '--budget-usd', '-1'], 2, /a number above 0/],
  [['budget', 'set', '--tokens', 'many'], 1, /a number above 0/],
  [['config', 'check', 'web'], 2, /there is no server "web"/],
])('%j is refused in one sentence', async (args, code, said) => {
  const outcome = await run(args, { TUTTI_DATA_DIR: join(await scratch(), 'data') })
  expect([outcome.code, outcome.stdout]).toEqual([code, ''])
  expect(outcome.stderr).toMatch(said)
  expect(outcome.stderr).not.toMatch(/^ +at /m)
})
