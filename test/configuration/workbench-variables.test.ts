/** Every variable of the workbench's configuration document is read, has the default that the document writes, and does something. */
import { globSync, readFileSync } from 'node:fs'
import { backendVariables, describeVariables, managerVariables } from '@tutti/config'
import { describe, expect, it } from 'vitest'
import type { Effects } from './effects/effects.ts'
import { files } from './workbench/files.ts'
import { serving } from './workbench/serving.ts'
import { telling } from './workbench/telling.ts'
import { titles } from './workbench/titles.ts'

const effects: Effects = { ...files, ...serving, ...telling, ...titles }

describe.each(Object.keys(effects))('%s', (name) => {
  it('has its effect', { timeout: 30_000 }, async () => {
    await effects[name]?.()
  })
})

/** What shows the others: tests of the station that a variable belongs to, which name it or its key. */
const elsewhere = globSync('{apps,packages,test}/**/*.test.ts', {
  cwd: new URL('../..', import.meta.url),
  exclude: (path) => path.includes('node_modules') || path.startsWith('packages/config/'),
}).map((path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'))
const support = globSync('{apps,packages,test}/**/{support,effects}/*.ts', {
  cwd: new URL('../..', import.meta.url),
  exclude: (path) => path.includes('node_modules') || path.startsWith('packages/config/'),
}).map((path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'))

const rows = new Map(
  [...describeVariables(backendVariables), ...describeVariables(managerVariables)].map((row) => [row.name, row]),
)

/** Nothing shows yet that these reach what they are for; whoever adds such a test takes them off this list. */
const unshown = [
  ...['DEFAULT_MODEL', 'SANDBOX_STATE_DIR', 'EXECUTOR_IMAGE', 'EXECUTOR_MANAGER_URL', 'SCHEDULE_CONFIG_PATH'],
  ...['SESSION_HEAD_START_MS', 'BUDGET_RUN_USD', 'BUDGET_RUN_TOKENS', 'BUDGET_RUN_SECONDS', 'BUDGET_SESSION_USD'],
  ...['BUDGET_SESSION_SECONDS', 'BUDGET_USER_MONTH_TOKENS', 'BUDGET_USER_MONTH_SECONDS', 'BUDGET_PROJECT_MONTH_USD'],
  ...['BUDGET_PROJECT_MONTH_TOKENS', 'BUDGET_PROJECT_MONTH_SECONDS', 'BUDGET_MONTH_USD', 'BUDGET_MONTH_TOKENS'],
  ...['BUDGET_MONTH_SECONDS'],
]

it.each([...rows.values()].filter(({ name }) => !(name in effects || unshown.includes(name))))(
  '$name is shown by a test',
  ({ name, key }) => {
    const names = new RegExp(`\\b(${name}|${key})\\b`)
    expect([...elsewhere, ...support].some((text) => names.test(text))).toBe(true)
  },
)

it('what is listed are variables', () => {
  expect(Object.keys(effects).filter((name) => !rows.has(name))).toEqual([])
})
