/**
 * Who may do what at the orchestrator: every operation of its document, asked by everybody, about one's own objects, somebody
 * else's, and none. What is to come follows from the operation's security and from whose the object is; a new route is asked
 * without being listed anywhere.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Answered, call } from '../endpoints/call.ts'
import { type Api, fill, type Operation, readApi } from '../endpoints/document.ts'
import { example } from '../endpoints/example.ts'
import {
  clientTokens,
  globalWorkerToken,
  type Held,
  type Installation,
  isShared,
  kindOfField,
  kindOfParam,
  makeHeld,
  makeOf,
  missing,
  type Objects,
  startInstallation,
  workerTokens,
} from './orchestrator-objects.ts'
import { bodies, harmless, open, operatorsOnly, queries } from './orchestrator-said-by-name.ts'
import { shapeOf } from './shape.ts'

const callers: Record<string, Record<string, string>> = {
  nobody: {},
  'a wrong token': { 'x-client-token': 'wrong', 'x-worker-token': 'wrong' },
  'a client': { 'x-client-token': clientTokens.anna },
  'a client, by the older header': { 'x-avtomatika-token': clientTokens.anna },
  'a client, as bearer': { authorization: `Bearer ${clientTokens.anna}` },
  'an operator': { 'x-client-token': clientTokens.olga },
  'a worker': { 'x-worker-token': workerTokens['hand-1'] },
  'any worker': { 'x-worker-token': globalWorkerToken },
  'a client’s token in the worker’s place': { 'x-worker-token': clientTokens.olga },
  'a worker’s token in the client’s place': { 'x-client-token': globalWorkerToken },
}

const letIn = ({ security = [] }: Operation, caller: string): boolean =>
  security.length === 0 ||
  (security.includes('clientToken') && caller === 'a client, by the older header') ||
  (security.includes('clientTokenNewer') && (caller === 'a client' || caller === 'an operator')) ||
  (security.includes('bearer') && caller === 'a client, as bearer') ||
  (security.includes('workerToken') && (caller === 'a worker' || caller === 'any worker'))

let installation: Installation
let api: Api
/** Of anna, given away for reading. */
let own: Objects
/** Of otto. */
let foreign: Objects
let ownTask: Held
let foreignTask: Held

beforeAll(async () => {
  installation = await startInstallation()
  api = await readApi(`${installation.url}/_public/openapi.json`)
  ownTask = await makeHeld(installation, 'hand-1')
  foreignTask = await makeHeld(installation, 'hand-2')
  own = { ...(await makeOf(installation, 'anna')), task: ownTask.task }
  foreign = { ...(await makeOf(installation, 'otto')), task: foreignTask.task }
})
afterAll(() => installation?.close())

vi.setConfig({ testTimeout: 120_000 })

const ofClients = () => api.operations.filter(({ security }) => security?.includes('clientToken'))
const ofWorkers = () => api.operations.filter(({ security }) => security?.includes('workerToken'))
const isReading = ({ method }: Operation): boolean => method === 'GET'

/** @throws Error for a parameter of which nobody has said what it names */
const paramsOf = ({ name, path, params }: Operation, objects: Objects): Record<string, string> =>
  Object.fromEntries(
    Object.keys(params).map((param) => {
      const kind = kindOfParam(path, param)
      if (kind === undefined)
        throw new Error(`${name}: nobody knows what {${param}} is: say it in test/matrix/orchestrator-objects.ts`)
      return [param, objects[kind]]
    }),
  )

interface Ask {
  caller?: string
  objects?: Objects
  query?: string
  /** Laid over the least that the body takes. */
  body?: object
  /** As older clients know it. */
  path?: string
}

/** Answers of a status that the document does not name for its operation. */
const unannounced = new Set<string>()

const ask = async (operation: Operation, given: Ask): Promise<Answered> => {
  const { caller = 'a client', objects = own } = given
  const path = fill({ ...operation, path: given.path ?? operation.path }, paramsOf(operation, objects))
  const query = given.query ?? queries[operation.name] ?? ''
  const answer = await call(installation.url, {
    ...{ method: operation.method, path: query === '' ? path : `${path}?${query}` },
    headers: { ...callers[caller] },
    ...(operation.body === undefined ? {} : { body: JSON.stringify(bodyOf(operation, given.body)) }),
    ...(operation.stream ? { firstBytes: 10 } : {}),
  })
  if (!operation.statuses.includes(String(answer.status)))
    unannounced.add(`${operation.name}: ${answer.status} ${codeOf(answer)}`)
  return answer
}

const bodyOf = ({ name, body = {} }: Operation, given: object = {}): unknown => {
  const least = example(api, body)
  return typeof least === 'object' && least !== null && !Array.isArray(least)
    ? { ...least, ...bodies[name], ...given }
    : least
}

const shape = (answer: Answered): string => shapeOf(answer, [...Object.values(foreign), ...Object.values(missing)])
const codeOf = ({ text }: Answered): unknown => (text.startsWith('{') ? JSON.parse(text).code : undefined)

test('the-document-is-valid-OpenAPI, and says of every operation whom it lets in', () => {
  expect(api.invalid).toBeNull()
  const unguarded = api.operations.filter(({ security }) => security === undefined || security.length === 0)
  expect(unguarded.map(({ name }) => name).sort()).toEqual(Object.keys(open).sort())
  expect([ofClients().length, ofWorkers().length].map((count) => count > 8)).toEqual([true, true])
})

describe('whoever-is-not-let-in-is-refused-the-same-whatever-there-is', () => {
  test.each(Object.keys(callers))('%s', async (caller) => {
    for (const operation of api.operations) {
      if (letIn(operation, caller)) continue
      // Older clients know the same without the version.
      const paths = [operation.path, ...(operation.path.startsWith('/api/v1/') ? [olderPath(operation)] : [])]
      const answers = await Promise.all(
        paths.flatMap((path) => [own, foreign, missing].map((objects) => ask(operation, { caller, objects, path }))),
      )
      for (const answer of answers)
        expect([answer.status, codeOf(answer)], `${operation.name} asked by ${caller}`).toEqual([
          401,
          'UNAUTHENTICATED',
        ])
      expect(new Set(answers.map(({ text }) => text)).size, operation.name).toBe(1)
    }
  })
})

const olderPath = ({ path }: Operation): string => path.replace('/api/v1/', '/api/')

test('the-owner-gets-through, and what is the operators’ is theirs alone', async () => {
  // Those that change come last, with something of their own.
  const operations = ofClients()
  for (const operation of [...operations.filter(isReading), ...operations.filter((each) => !isReading(each))]) {
    const objects = isReading(operation) ? own : await makeOf(installation, 'anna')
    const said = (answer: Answered): string => `${operation.name}: ${answer.status} ${answer.text}`
    const answer = await ask(operation, { objects })
    if (operatorsOnly[operation.name] === undefined) {
      // What can’t be done now is refused with a reason of its own.
      expect([200, 202, 204, 302, ...(isReading(operation) ? [] : [409])], said(answer)).toContain(answer.status)
      continue
    }
    expect([answer.status, codeOf(answer)], said(answer)).toEqual([403, 'FORBIDDEN'])
    // Not even whether there is such a thing is told.
    expect(shape(await ask(operation, { objects: missing }))).toBe(shape(answer))
    const operators = await ask(operation, { objects: { ...objects, worker: 'hand-3' }, caller: 'an operator' })
    expect([200, 201, 204, 404, 409], said(operators)).toContain(operators.status)
  }
})

test('somebody-else’s-object-is-as-good-as-none, to an operator as well', async () => {
  const before = await everythingOf('otto')
  let asked = 0
  // Last, what makes something by a name that somebody else has used: it would be there to be read.
  for (const operation of ofClients().sort((a, b) => Number(a.method === 'PUT') - Number(b.method === 'PUT'))) {
    const kinds = Object.keys(operation.params).map((param) => kindOfParam(operation.path, param))
    if (kinds.length === 0 || kinds.some((kind) => kind === undefined || isShared(kind))) continue
    for (const caller of ['a client', 'an operator'])
      for (const path of [operation.path, olderPath(operation)]) {
        const [theirs, none] = await Promise.all(
          [foreign, missing].map((objects) => ask(operation, { objects, caller, path })),
        )
        if (!theirs || !none) throw new Error('no answer')
        // Names of schedules are each client’s own: it makes one of its own by that name.
        if (operation.name === 'PUT /api/v1/schedules/{name}') expect([theirs.status, none.status]).toEqual([200, 200])
        else {
          expect(shape(theirs), operation.name).toBe(shape(none))
          expect(theirs.status, `${operation.name}: ${theirs.text}`).toBe(404)
        }
        asked += 1
      }
  }
  expect(asked).toBeGreaterThan(60)
  expect(await everythingOf('otto')).toEqual(before)
})

test('somebody-else’s-object-named-in-a-query-is-as-good-as-none', async () => {
  const before = await everythingOf('otto')
  const asked: string[] = []
  for (const operation of ofClients())
    for (const field of Object.keys(operation.query)) {
      const kind = kindOfField[field]
      if (kind === undefined || isShared(kind)) continue
      const answers = await Promise.all(
        [foreign, missing].map((of) => ask(operation, { query: `${field}=${encodeURIComponent(of[kind])}` })),
      )
      expect(new Set(answers.map(shape)).size, `${operation.name} ?${field}`).toBe(1)
      asked.push(`${operation.name} ?${field}`)
    }
  expect(asked.length).toBeGreaterThan(4)
  // Whose schedules is a question that only operators may ask.
  for (const operation of ofClients().filter(({ query }) => 'client' in query)) {
    const [otto, nobody] = await Promise.all(
      ['otto', 'nobody'].map((each) => ask(operation, { query: `client=${each}` })),
    )
    expect([otto?.status, nobody?.status], operation.name).toEqual([403, 403])
    expect(otto?.text).toBe(nobody?.text)
  }
  expect(await everythingOf('otto')).toEqual(before)
})

test('a-worker-gets-through-with-what-it-holds', async () => {
  for (const operation of ofWorkers()) {
    const answer = await askAsWorker(operation, await makeHeld(installation, 'hand-1'))
    expect([200, 204], `${operation.name}: ${answer.status} ${answer.text}`).toContain(answer.status)
  }
})

test('another-worker’s-task-is-as-good-as-none, and stays in its hands', async () => {
  const none: Held = { worker: 'hand-1', job: missing.job, task: missing.task, lease: 'no-lease' }
  for (const operation of ofWorkers()) {
    const namesTask = 'task_id' in operation.params || JSON.stringify(bodyOf(operation)).includes('task_id')
    if (!namesTask) continue
    const theirs = await askAsWorker(operation, { ...foreignTask, worker: 'hand-1', lease: none.lease })
    const nobodys = await askAsWorker(operation, none)
    if (harmless[operation.name] === undefined) {
      const ids = [...Object.values(foreignTask), ...Object.values(none)]
      expect(shapeOf(theirs, ids), operation.name).toBe(shapeOf(nobodys, ids))
    } else expect(theirs.text, operation.name).not.toContain('"accepted"')
  }
  const result = { worker_id: 'hand-2', job_id: foreignTask.job, task_id: foreignTask.task, status: 'success' }
  const counted = await installation.as(workerTokens['hand-2'], 'POST', '/_worker/tasks/result', {
    ...{ ...result, lease_token: foreignTask.lease },
  })
  expect(counted).toMatchObject({ status: 'accepted' })
})

test('in-another-worker’s-name-nobody-speaks: not with a token of his own, nor with everybody’s', async () => {
  const held = await makeHeld(installation, 'hand-2')
  for (const operation of ofWorkers())
    for (const caller of ['a worker', 'any worker']) {
      const answer = await askAsWorker(operation, held, caller)
      expect([401, 403], `${operation.name} by ${caller}: ${answer.status} ${answer.text}`).toContain(answer.status)
    }
})

/** With all that the worker would say: its name, its task, its lease. */
const askAsWorker = (operation: Operation, held: Held, caller = 'a worker'): Promise<Answered> => {
  const { worker, job, task, lease } = held
  const said = { worker_id: worker, job_id: job, task_id: task, lease_token: lease }
  const result = { job_id: job, task_id: task, lease_token: lease, status: 'success' }
  const file = new URLSearchParams({
    job_id: job,
    lease_token: lease,
    uri: `s3://local/jobs/${job}/${'cursor' in operation.query ? '' : 'a.txt'}`,
  })
  return call(installation.url, {
    method: operation.method,
    path: `${fill(operation, { worker_id: worker, task_id: task })}?${'uri' in operation.query ? file : (queries[operation.name] ?? '')}`,
    headers: { ...callers[caller], 'x-worker-id': worker },
    ...(isReading(operation)
      ? {}
      : {
          body: JSON.stringify({
            ...(bodyOf(operation) as object),
            ...said,
            ...(operation.path.endsWith('/results') ? { results: [result] } : {}),
          }),
        }),
  })
}

test('every-status-that-came-is-in-the-document', () => {
  expect([...unannounced].sort()).toEqual([])
})

/** All that a client can read of what is its own, without what changes by itself. */
const everythingOf = async (client: keyof typeof clientTokens): Promise<unknown> => {
  const read = (path: string) => installation.as(clientTokens[client], 'GET', `/api/v1${path}`)
  const { items } = (await read('/jobs?limit=500')) as { items: { id: string }[] }
  return {
    jobs: items,
    histories: await Promise.all(items.map(({ id }) => read(`/jobs/${id}/history`))),
    files: await read(`/jobs/${foreign.job}/files`),
    schedules: await read('/schedules'),
    secrets: await read('/webhooks/secret'),
    blueprints: await read('/blueprints'),
  }
}
