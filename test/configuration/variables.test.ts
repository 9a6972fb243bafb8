/** Every variable of the configuration document is read, has the default that the document writes, and does something. */
import { describeVariables, orchestratorVariables, readEnvironment, type VariableTable } from '@tutti/config'
import { describe, expect, it, test } from 'vitest'
import { hostname, orchestratorDocument } from '../../packages/config/test/documents.ts'
import { effects } from './effects.ts'

const table: VariableTable = orchestratorVariables
const rows = describeVariables(table)

/** For each kind of value one that is no variable's default. */
const others = [
  'other',
  '7',
  '0.5',
  'http://other:1',
  '/other',
  'true',
  'false',
  'mtls-only',
  'required',
  'memory',
  'ERROR',
  'text',
  'development',
  'Asia/Kathmandu',
  'postgresql://h/d',
  'redis://h',
  'a=1/1s',
  'x'.repeat(32),
  'sets/',
]

describe.each(Object.entries(orchestratorDocument))('%s', (name, value) => {
  const row = rows.find((each) => each.name === name)

  it('has the documented default', () => {
    expect(row?.default).toBe(value === hostname ? 'hostname' : value)
  })
})

describe.each(rows)('$name', ({ name, key }) => {
  it('is read', () => {
    const read = (env: Record<string, string>): unknown => {
      const { config, known } = { known: undefined, ...readEnvironment(table, env) }
      return ((config ?? known) as Record<string, unknown>)[key]
    }
    const unset = JSON.stringify(read({}))
    expect(
      others
        .map((other) => JSON.stringify(read({ [name]: other })))
        .some((each) => each !== undefined && each !== unset),
    ).toBe(true)
  })

  it('has its effect', async () => {
    const effect = effects[name]
    if (effect === undefined) throw new Error(`nothing shows what ${name} does: see effects.ts`)
    await effect()
  })
})

test('what is listed are variables', () => {
  const names = rows.map((row) => row.name)
  expect(Object.keys(effects).filter((name) => !names.includes(name))).toEqual([])
})
