/** The tables of the workbench's endpoints say of each route that there is one, and of no other. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createBackend } from '@tutti/backend'
import { silentLogger } from '@tutti/telemetry'
import { beforeAll, expect, test } from 'vitest'
import { repository } from './support/repository.ts'

/** Named in the first two tables: `GET /sessions/{}`; names of parameters are nobody's concern. */
let documented: { kept: string[]; others: string[] }
let routes: string[]

const plain = (endpoint: string): string => endpoint.replaceAll(/\{[^}]*\}/g, '{}')

beforeAll(async () => {
  const text = await readFile(join(repository, 'docs/workbench-api.md'), 'utf8')
  const [, original = '', beyond = ''] = text.split(/^## /m)
  const endpoints = (rows: string): string[] =>
    [...rows.matchAll(/`((?:GET|HEAD|POST|PUT|PATCH|DELETE) \/[^`]*)`/g)].map(([, endpoint]) => plain(endpoint ?? ''))
  const rowsOf = (table: string, is: RegExp): string[] =>
    table.split('\n').filter((row) => row.startsWith('| `') && is.test(row))
  const firstCell = (row: string): string => row.split(' | ')[0] ?? ''
  documented = {
    kept: rowsOf(original, /\| kept +\|/).flatMap((row) => endpoints(firstCell(row))),
    others: rowsOf(original, /\| (not offered|replaced) +\|/).flatMap((row) => endpoints(firstCell(row))),
  }
  documented.kept.push(...rowsOf(beyond, /./).flatMap((row) => endpoints(firstCell(row))))
  routes = await routesOf()
})

/** Made of the server itself, which needs nothing behind it to say what it serves. */
const routesOf = async (): Promise<string[]> => {
  const found: string[] = []
  const nothing = {} as never
  const config = { host: '127.0.0.1', userId: 'default', clientToken: null, internalToken: 'internal-token-of-tests' }
  const { app } = createBackend({
    ...{ workbench: nothing, objects: { verifyPresigned: () => ({ refusal: 'INVALID' }) } as never },
    ...{ config, log: silentLogger },
  })
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat())
      found.push(`${each} ${url.replace(/^\/api\/v1(?=\/)/, '').replaceAll(/:[A-Za-z_]+|\*/g, '{}')}`)
  })
  await app.ready()
  await app.close()
  return found
}

test('what is said to be there is there, and what is there is said', () => {
  expect(routes.length).toBeGreaterThan(50)
  expect([...new Set(documented.kept)].sort()).toEqual([...new Set(routes)].sort())
})

test('what is said not to be offered is not', () => {
  expect(documented.others.length).toBeGreaterThan(5)
  expect(documented.others.filter((endpoint) => routes.includes(endpoint))).toEqual([])
})
