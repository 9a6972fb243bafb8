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
import { type Kind, kindOf, kindOfField, missing, type Objects, shared } from './kinds.ts'
import { type Maker, make } from './objects.ts'
import { referencesOf } from './references.ts'
import { bodies, harmless, open, others, ownAnswers, queries } from './said-by-name.ts'
import { shapeOf } from './shape.ts'

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
  const ask = async (method: string, path: string, headers: Record<string, string>, sent?: object | string) => {
    const body = typeof sent === 'object' ? JSON.stringify(sent) : sent
    const asked = { method, path: `/api/v1${path}`, headers, ...(body === undefined ? {} : { body }) }
    const { status, text } = await call(base, asked)
    if (status !== 200) throw new Error(`${method} ${path}: ${text}`)
    return (JSON.parse(text) as { data: unknown }).data
  }
  const authorization = `Bearer ${tokens[user]}`
  return {
    userId: user,
    user: (method, path, body) => ask(method, path, { authorization }, body),
    upload: async (name, text) => {
      const { type, body } = formOf(name, text)
      const kept = await ask('POST', '/attachments/upload', { authorization, 'content-type': type }, body)
      return kept as { source: string }
    },
    manager: async (path, body) => {
      const data = await ask('POST', path, { 'x-internal-token': internalToken }, body)
      const { lease_token } = (data ?? {}) as { lease_token?: string }
      if (lease_token !== undefined) runToken = lease_token
      return data
    },
    objectsRoot: servers.objectsRoot,
    workspaceRoot: servers.workspaceRoot,
  }
}

const formOf = (name: string, text: string) => {
  const part = `content-disposition: form-data; name="file"; filename="${name}"\r\ncontent-type: text/plain`
  return { type: 'multipart/form-data; boundary=part', body: `--part\r\n${part}\r\n\r\n${text}\r\n--part--\r\n` }
}

/** One's own, and new where the operation names it: to be changed. */
const makeOwn = async (operation: Operation, api = backend): Promise<Objects> => {
  const { path, params } = operation
  const named = [
    ...Object.keys(params).map((param) => kindOf(path, param)),
    ...referencesOf(api, operation).map(({ kind }) => kind),
  ]
  return {
    ...own,
    ...(await make(
      makerAt(servers.own, 'alice'),
      [...new Set(named)].filter((kind) => kind !== undefined),
    )),
  }
}

beforeAll(async () => {
  servers = await startServers()
  backend = await readApi(`${servers.own}/openapi.json`)
  manager = await readApi(`${servers.manager}/openapi.json`)
  foreign = (await make(makerAt(servers.other, 'bob'))) as Objects
  own = (await make(makerAt(servers.own, 'alice'))) as Objects
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
          `${name}: nobody knows what {${param}} is: say it in test/matrix/kinds.ts, and how one is made in test/matrix/objects.ts`,
        )
      return [param, objects[kind]]
    }),
  )

/** @param naming fields that are sent as they are */
const bodyOf = (api: Api, operation: Operation, objects: Objects, naming: object = {}) => {
  const { id, body } = operation
  if (body === undefined) return undefined
  const least = example(api, body)
  if (typeof least !== 'object' || least === null) return JSON.stringify(least)
  const sent: Record<string, unknown> = { ...least, ...bodies[id] }
  for (const { name, kind, naming } of referencesOf(api, operation))
    if (name in sent) Object.assign(sent, naming(objects[kind]))
  return JSON.stringify({ ...sent, ...naming })
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

/** Answers of a status that the document does not name for its operation. */
const unannounced = new Set<string>()

const ask = async (operation: Operation, given: Ask): Promise<Answered> => {
  const { api = backend, base = servers.own, caller = 'the user', objects = own } = given
  const path = fill(operation, given.params ?? paramsOf(operation, objects))
  const form = operation.id === 'uploadAttachment' ? formOf('a.txt', 'a file') : undefined
  const queryNames = Object.entries(operation.query).filter(([, schema]) => schema.minLength !== undefined)
  const least = new URLSearchParams(
    Object.fromEntries(queryNames.map(([name, schema]) => [name, String(example(api, schema))])),
  )
  const query = given.query ?? queries[operation.name] ?? least.toString()
  const body = 'body' in given ? given.body : (form?.body ?? bodyOf(api, operation, objects))
  const answer = await call(base, {
    ...{ method: operation.method, path: query === '' ? path : `${path}?${query}` },
    headers: { ...(form ? { 'content-type': form.type } : {}), ...callers[caller], ...given.headers },
    ...(body === undefined ? {} : { body }),
    ...(operation.websocket ? { upgrade: true } : {}),
    ...(operation.stream ? { firstBytes: 10 } : {}),
  })
  const { status } = answer
  if (![`${status}`, `${Math.floor(status / 100)}XX`].some((each) => operation.statuses.includes(each)))
    unannounced.add(`${operation.name}: ${status} ${codeOf(answer)}`)
  return answer
}

const shape = (answer: Answered): string => shapeOf(answer, [...Object.values(foreign), ...Object.values(missing)])

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

// Those that change come last: some remove all that there is of a kind.
const readingFirst = (operations: Operation[]): Operation[] => [
  ...operations.filter(isReading),
  ...operations.filter((operation) => !isReading(operation)),
]

test('the-owner-gets-through', async () => {
  for (const operation of readingFirst(ofUser())) {
    // What is changed or removed is made anew for each.
    const objects = isReading(operation) ? own : await makeOwn(operation)
    const answer = await ask(operation, { objects })
    const { status = undefined } = ownAnswers[operation.name] ?? {}
    const said = `${operation.name}: ${answer.status} ${answer.text}`
    if (status !== undefined) expect(answer.status, said).toBe(status)
    else if (isReading(operation)) expect([101, 200], said).toContain(answer.status)
    // What can’t be done now is refused with a reason of its own.
    else expect([200, 409], said).toContain(answer.status)
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
    const mine = isReading(operation) ? own : await makeOwn(operation)
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
      const kind = kindOfField(operation.path, field)
      if (kind === undefined) continue
      const answers = await Promise.all(
        [foreign, missing].map((of) => ask(operation, { query: `q=x&${field}=${of[kind]}` })),
      )
      expect(new Set(answers.map(shape)).size, `${operation.name} ?${field}`).toBe(1)
      asked.push(`${operation.name} ?${field}`)
    }
    const references = referencesOf(backend, operation)
    if (references.length === 0) continue
    // What names somebody else’s is refused, and leaves one’s own as it was: the next field finds it so.
    let mine = await makeOwn(operation)
    for (const { name, kind, naming } of references) {
      const named = (of: Objects) =>
        ask(operation, { objects: mine, body: bodyOf(backend, operation, mine, naming(of[kind])) })
      const theirs = await named(foreign)
      const none = await named(missing)
      const place = `${operation.name} {${name}}`
      const isHarmless = [name, name.split('.')[0]].some(
        (each) => harmless[`${operation.name} {${each}}`] !== undefined,
      )
      if (isHarmless) {
        expect.soft(theirs.status, place).toBe(none.status)
        mine = await makeOwn(operation)
      } else {
        expect.soft(shape(theirs), place).toBe(shape(none))
        expect.soft(theirs.status, `${place}: ${theirs.text}`).toBeGreaterThanOrEqual(400)
      }
      asked.push(place)
    }
  }
  expect(asked.length).toBeGreaterThan(40)
  expect(await everythingOf('bob')).toEqual(before)
})

const operators = (kind: Kind): Kind | undefined =>
  shared.some((each) => each === kind) ? (`operator’s ${kind}` as Kind) : undefined

test('what-is-the-operator’s-every-user-may-see-and-none-may-change', async () => {
  let asked = 0
  for (const operation of ofUser())
    for (const param of Object.keys(operation.params)) {
      const kind = kindOf(operation.path, param)
      const of = kind && operators(kind)
      if (kind === undefined || of === undefined) continue
      const answer = await ask(operation, { objects: { ...own, [kind]: own[of] } })
      expect(answer.status, `${operation.name}: ${answer.text}`).toBe(isReading(operation) ? 200 : 403)
      asked += 1
    }
  expect(asked).toBeGreaterThan(8)
})

test('a-manager-gets-through, and finds no user’s objects where the operator’s are', async () => {
  for (const [api, base] of [
    [backend, servers.own],
    [manager, servers.manager],
  ] as const)
    for (const operation of readingFirst(
      api.operations.filter(({ security }) => security?.includes('internalToken')),
    )) {
      const objects = isReading(operation) ? own : await makeOwn(operation, api)
      const asking = { api, base, caller: 'a manager' }
      const answer = await ask(operation, { ...asking, objects })
      const said = `${operation.name}: ${answer.status} ${answer.text}`
      // Who holds no lease is refused for that alone.
      expect(isReading(operation) ? [200] : [200, 409], said).toContain(answer.status)
      const ofUsers = { ...missing, ...Object.fromEntries(shared.map((kind) => [`operator’s ${kind}`, own[kind]])) }
      if (!Object.keys(operation.params).some((param) => kindOf(operation.path, param)?.startsWith('operator’s')))
        continue
      expect((await ask(operation, { ...asking, objects: ofUsers as Objects })).status, operation.name).toBe(404)
    }
})

test('every-status-that-came-is-in-the-document', () => {
  expect([...unannounced]).toEqual([])
})

/** Every row that belongs to a user, or to what belongs to them, without when the server looks at it next. */
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
        `select to_jsonb(t) - 'check_at' as row from workbench."${table}" t where ${where}`,
        [user],
      )
      rows[table] = found.map(({ row }) => JSON.stringify(row)).sort()
    }
    return rows
  } finally {
    await database.close()
  }
}
