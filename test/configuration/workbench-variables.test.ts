/** Every variable of the workbench's configuration document is read, has the default that the document writes, and does something. */
import { globSync, readFileSync } from 'node:fs'
import { backendVariables, describeVariables, managerVariables } from '@tutti/config'
import { describe, expect, it } from 'vitest'
import type { Effects } from './effects/effects.ts'
import { budgets } from './workbench/budgets.ts'
import { files } from './workbench/files.ts'
import { managers } from './workbench/managers.ts'
import { memory } from './workbench/memory.ts'
import { serving } from './workbench/serving.ts'
import { telling } from './workbench/telling.ts'
import { titles } from './workbench/titles.ts'

const effects: Effects = { ...budgets, ...files, ...managers, ...memory, ...serving, ...telling, ...titles }

describe.each(Object.keys(effects))('%s', (name) => {
  it('has its effect', async () => {
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

it.each([...rows.values()].filter(({ name }) => !(name in effects)))('$name is shown by a test', ({ name, key }) => {
  const names = new RegExp(`\\b(${name}|${key})\\b`)
  expect([...elsewhere, ...support].some((text) => names.test(text))).toBe(true)
})

it('what is listed are variables', () => {
  expect(Object.keys(effects).filter((name) => !rows.has(name))).toEqual([])
})
