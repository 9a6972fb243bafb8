/**
 * Who may do what at backend and manager: every operation of their documents, asked by everybody, about one's own objects,
 * somebody else's, and none. What is to come follows from the operation's security and from whose the object is; a new route
 * is asked without being listed anywhere.
 */
import { createDatabase } from '@tutti/workbench'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Answered, call } from '../endpoints/call.ts'
import { type Api, fill, type Operation, readApi } from '../endpoints/document.ts'
import { example } from '../endpoints/example.ts'
import { internalToken, type Servers, startServers, tokens } from '../endpoints/servers.ts'
import { type Kind, kindOf, kindOfField, type Maker, make, missing, type Objects } from './objects.ts'

/** Open to everybody, and why. */
const open: Record<string, string> = {
  'GET /': 'says that the process is alive, and nothing else',
  'GET /health': 'the same, where load balancers look for it',
  'GET /api/v1/config': 'a page must know where the API is before anybody has logged in',
  'GET /api/v1/objects/{*}': 'the signature in the address is the authorisation',
  'HEAD /api/v1/objects/{*}': 'the same',
  'PUT /api/v1/objects/{*}': 'the same',
}

/** What its owner is answered otherwise than with success, and why. */
const ownAnswers: Record<string, { status: number; why: string }> = {
  'GET /api/v1/schedules': { status: 503, why: 'no manager is configured' },
}

/** The query that an operation needs beside what its schema says. */
const queries: Record<string, string> = {
  'GET /api/v1/sessions/{id}/workspace/folder-archive': 'path=folder',
  'GET /api/v1/runs/{id}/workspace/folder-archive': 'path=folder',
}

/** What the owner sends beside the least that the schema takes, so that it is a request that can succeed. */
const bodies: Record<string, object> = {
  answerInputRequest: { decision: 'allow' },
  putBudget: { scope: 'user', limits: { max_tokens: 1_000_000 } },
}

/** Parameters of paths that name no object. */
const others: Record<string, string> = { '*': 'attachments/x', after: '0' }

const callers: Record<string, Record<string, string>> = {
  nobody: {},
  'a wrong token': { authorization: 'Bearer wrong' },
  'the user': { authorization: `Bearer ${tokens.alice}` },
  'the user, by the other header': { 'x-client-token': tokens.alice },
  'another user': { authorization: `Bearer ${tokens.bob}` },
  'a manager': { 'x-internal-token': internalToken },
  'the user’s token in the manager’s place': { 'x-internal-token': tokens.alice },
  'the manager’s token in the user’s place': { authorization: `Bearer ${internalToken}` },
}

const letIn = ({ security }: Operation, caller: string): boolean => {
  if (security === undefined) return false
  if (security.length === 0) return true
  return (
    (security.includes('bearer') && caller === 'the user') ||
    (security.includes('clientToken') && caller === 'the user, by the other header') ||
    (security.includes('internalToken') && caller === 'a manager')
  )
}

let servers: Servers
let backend: Api
let manager: Api
let foreign: Objects
/** Given away for reading. */
let own: Objects
let runToken: string

const makerAt = (base: string, user: keyof typeof tokens): Maker => {
  const ask = async (method: string, path: string, headers: Record<string, string>, body?: object) => {
    const asked = {
      method,
      path: `/api/v1${path}`,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }
    const { status, text } = await call(base, asked)
    if (status !== 200) throw new Error(`${method} ${path}: ${text}`)
    return (JSON.parse(text) as { data: unknown }).data
  }
  return {
    user: (method, path, body) => ask(method, path, { authorization: `Bearer ${tokens[user]}` }, body),
    manager: async (path, body) => {
      const data = await ask('POST', path, { 'x-internal-token': internalToken }, body)
      const { lease_token } = (data ?? {}) as { lease_token?: string }
      if (lease_token !== undefined) runToken = lease_token
      return data
    },
    objectsRoot: servers.objectsRoot,
  }
}

const makeOwn = () => make(makerAt(servers.own, 'alice'))

beforeAll(async () => {
  servers = await startServers()
  backend = await readApi(`${servers.own}/openapi.json`)
  manager = await readApi(`${servers.manager}/openapi.json`)
  foreign = await make(makerAt(servers.other, 'bob'))
  own = await makeOwn()
})
afterAll(() => servers?.close())

// Hundreds of requests, and objects made anew for each that changes some.
vi.setConfig({ testTimeout: 180_000 })

/** @throws Error for a parameter of which nobody has said what it names */
const paramsOf = ({ name, path, params }: Operation, objects: Objects): Record<string, string> =>
  Object.fromEntries(
    Object.keys(params).map((param) => {
      if (param in others) return [param, others[param] ?? '']
      const kind = kindOf(path, param)
      if (kind === undefined)
        throw new Error(
          `${name}: nobody knows what {${param}} is: say it, and how one is made, in test/matrix/objects.ts`,
        )
      return [param, objects[kind]]
    }),
  )

const bodyOf = (api: Api, { id, body }: Operation, objects: Objects, ref?: [field: string, Kind, Objects]) => {
  if (body === undefined) return undefined
  const least = example(api, body)
  if (typeof least !== 'object' || least === null) return JSON.stringify(least)
  const sent: Record<string, unknown> = { ...least, ...bodies[id] }
  const idOf = (kind: Kind, of: Objects) => (kind.endsWith('message') ? Number(of[kind]) : of[kind])
  for (const field of Object.keys(sent)) {
    const kind = kindOfField[field]
    if (kind !== undefined) sent[field] = idOf(kind, objects)
  }
  if (ref) sent[ref[0]] = idOf(ref[1], ref[2])
  return JSON.stringify(sent)
}

interface Ask {
  api?: Api
  base?: string
  caller?: string
  headers?: Record<string, string>
  objects?: Objects
  params?: Record<string, string>
  query?: string
  body?: string | undefined
}

const ask = (operation: Operation, given: Ask): Promise<Answered> => {
  const { api = backend, base = servers.own, caller = 'the user', objects = own } = given
  const path = fill(operation, given.params ?? paramsOf(operation, objects))
  const queryNames = Object.entries(operation.query).filter(([, schema]) => schema.minLength !== undefined)
  const least = new URLSearchParams(
    Object.fromEntries(queryNames.map(([name, schema]) => [name, String(example(api, schema))])),
  )
  const query = given.query ?? queries[operation.name] ?? least.toString()
  const body = 'body' in given ? given.body : bodyOf(api, operation, objects)
  return call(base, {
    ...{ method: operation.method, path: query === '' ? path : `${path}?${query}` },
    headers: { ...callers[caller], ...given.headers },
    ...(body === undefined ? {} : { body }),
    ...(operation.websocket ? { upgrade: true } : {}),
    ...(operation.stream ? { firstBytes: 10 } : {}),
  })
}

/** An answer without what is one request's own. */
const shape = ({ status, text }: Answered): string => {
  const ids = [...Object.values(foreign), ...Object.values(missing)].sort((a, b) => b.length - a.length)
  const timeless = text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
  return `${status} ${ids.reduce((so, id) => so.replaceAll(new RegExp(`\\b${id}\\b`, 'g'), '<id>'), timeless)}`
}

const codeOf = ({ text }: Answered): unknown => (JSON.parse(text) as { data?: { code?: string } | null }).data?.code

test('the-documents-are-valid-OpenAPI', () => {
  expect(backend.invalid).toBeNull()
  expect(manager.invalid).toBeNull()
})

test('every-operation-says-whom-it-lets-in, and only those listed here let everybody in', () => {
  for (const api of [backend, manager]) {
    const unguarded = api.operations.filter(({ security }) => security === undefined || security.length === 0)
    expect(unguarded.map(({ name }) => name).filter((name) => open[name] === undefined)).toEqual([])
  }
})

describe('whoever-is-not-let-in-is-refused-the-same-whatever-there-is', () => {
  test.each(Object.keys(callers))('%s', async (caller) => {
    for (const [api, base] of [
      [backend, servers.own],
      [manager, servers.manager],
    ] as const)
      for (const operation of api.operations) {
        if (letIn(operation, caller) || operation.security === undefined) continue
        const expected = operation.security.includes('internalToken') ? [403, 'FORBIDDEN'] : [401, 'UNAUTHENTICATED']
        const answers = await Promise.all(
          [own, foreign, missing].map((objects) => ask(operation, { api, base, caller, objects })),
        )
        for (const answer of answers)
          expect([answer.status, codeOf(answer)], `${operation.name} asked by ${caller}`).toEqual(expected)
        expect(new Set(answers.map(({ text }) => text)).size, operation.name).toBe(1)
      }
  })

  test('the token of a run, in every place', async () => {
    for (const operation of backend.operations)
      for (const headers of [{ authorization: `Bearer ${runToken}` }, { 'x-internal-token': runToken }]) {
        if (operation.security?.length === 0) continue
        const { status } = await ask(operation, { caller: 'nobody', headers })
        expect([401, 403], operation.name).toContain(status)
      }
  })
})

test('an-address-that-nobody-signed-leads-nowhere', async () => {
  for (const operation of backend.operations.filter(({ path }) => path.includes('/objects/')))
    for (const caller of Object.keys(callers)) {
      const { status } = await ask(operation, { caller, body: undefined })
      expect(status, `${operation.name} asked by ${caller}`).toBe(403)
    }
})

const ofUser = () => backend.operations.filter(({ security }) => security?.includes('bearer'))
const isReading = ({ method }: Operation): boolean => method === 'GET'

test('the-owner-gets-through', async () => {
  for (const operation of ofUser()) {
    // What is changed or removed is made anew for each.
    const objects = isReading(operation) ? own : await makeOwn()
    const answer = await ask(operation, { objects })
    const { status = undefined } = ownAnswers[operation.name] ?? {}
    const said = `${operation.name}: ${answer.status} ${answer.text}`
    if (status !== undefined) expect(answer.status, said).toBe(status)
    else if (isReading(operation)) expect([101, 200], said).toContain(answer.status)
    // What can’t be done now is refused with a reason of its own.
    else expect([200, 400, 402, 409, 410], said).toContain(answer.status)
  }
})

test('somebody-else’s-object-is-as-good-as-none', async () => {
  const before = await everythingOf('bob')
  let asked = 0
  for (const operation of ofUser()) {
    if (Object.keys(operation.params).length === 0) continue
    const [theirs, none] = await Promise.all([foreign, missing].map((objects) => ask(operation, { objects })))
    if (!theirs || !none) throw new Error('no answer')
    expect(shape(theirs), operation.name).toBe(shape(none))
    // A stream’s upgrade is answered before anything is looked up.
    expect([404, ...(operation.websocket ? [101] : [])], `${operation.name}: ${theirs.text}`).toContain(theirs.status)
    asked += 1
    // The first of several is one’s own: the others are looked for in it.
    const [first, ...further] = Object.keys(operation.params)
    if (first === undefined || further.length === 0) continue
    const mine = isReading(operation) ? own : await makeOwn()
    const mixed = (of: Objects) => ({ ...paramsOf(operation, of), [first]: paramsOf(operation, mine)[first] ?? '' })
    const inside = await ask(operation, { objects: mine, params: mixed(foreign) })
    const nowhere = await ask(operation, { objects: mine, params: mixed(missing) })
    expect(shape(inside), `${operation.name}, in one’s own`).toBe(shape(nowhere))
  }
  expect(asked).toBeGreaterThan(30)
  expect(await everythingOf('bob')).toEqual(before)
})

test('somebody-else’s-object-named-in-a-body-or-a-query-is-as-good-as-none', async () => {
  const before = await everythingOf('bob')
  const asked: string[] = []
  for (const operation of ofUser()) {
    for (const field of Object.keys(operation.query)) {
      const kind = kindOfField[field]
      if (kind === undefined) continue
      const answers = await Promise.all(
        [foreign, missing].map((of) => ask(operation, { query: `q=x&${field}=${of[kind]}` })),
      )
      expect(new Set(answers.map(shape)).size, `${operation.name} ?${field}`).toBe(1)
      asked.push(`${operation.name} ?${field}`)
    }
    if (operation.body === undefined) continue
    for (const field of Object.keys((backend.resolve(operation.body).properties ?? {}) as object)) {
      const kind = kindOfField[field]
      if (kind === undefined) continue
      const mine = await makeOwn()
      const named = (of: Objects) =>
        ask(operation, { objects: mine, body: bodyOf(backend, operation, mine, [field, kind, of]) })
      const theirs = await named(foreign)
      const none = await named(missing)
      expect(shape(theirs), `${operation.name} {${field}}`).toBe(shape(none))
      expect(theirs.status, `${operation.name} {${field}}: ${theirs.text}`).toBeGreaterThanOrEqual(400)
      asked.push(`${operation.name} {${field}}`)
    }
  }
  expect(asked.length).toBeGreaterThan(6)
  expect(await everythingOf('bob')).toEqual(before)
})

/** Every row that belongs to a user, or to what belongs to them. */
const everythingOf = async (user: string): Promise<Record<string, unknown[]>> => {
  const database = createDatabase({ connectionString: servers.connectionString, connections: 1 })
  try {
    const columns = await database.query<{ table_name: string; column_name: string }>(
      `select table_name, column_name from information_schema.columns
       where table_schema = 'workbench' and column_name in ('user_id', 'session_id')`,
    )
    const tables = [...new Set(columns.map((row) => row.table_name))].sort()
    const rows: Record<string, unknown[]> = {}
    for (const table of tables) {
      const owned = columns.some((row) => row.table_name === table && row.column_name === 'user_id')
      const where = owned ? 'user_id = $1' : 'session_id in (select id from workbench.sessions where user_id = $1)'
      const found = await database.query<{ row: unknown }>(
        `select to_jsonb(t) as row from workbench."${table}" t where ${where}`,
        [user],
      )
      rows[table] = found.map(({ row }) => JSON.stringify(row)).sort()
    }
    return rows
  } finally {
    await database.close()
  }
}
