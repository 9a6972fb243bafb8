/** Blueprints over the API: kept in the Store, the same at every instance, and never changed under a job. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type TuttiApiError } from '@tutti/client'
import type { BlueprintDocument, JsonObject } from '@tutti/contracts'
import { createRegistry, type StoredRecord } from '@tutti/engine'
import { createMemoryStore } from '@tutti/stores'
import { testDatabase } from '@tutti/stores/testing'
import { silentLogger } from '@tutti/telemetry'
import { createWorker, skill } from '@tutti/worker'
import { expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { type RunningOrchestrator, startOrchestrator } from '../src/index.ts'
import { followRegisteredBlueprints } from '../src/start/registered-blueprints.ts'

const tokens = {
  olga: 'token-of-olga-the-operator-0123',
  anna: 'token-of-anna-the-client-012345',
  hand: 'token-of-hands-0123',
}

const document = (version = 1, more: Partial<BlueprintDocument> = {}): BlueprintDocument => ({
  format: 'tutti/v1',
  name: 'shrink',
  version,
  endpoint: '/shrink',
  start: 'ask',
  states: { ask: { dispatch: { skill: 'picture.shrink', params: { v: version }, on: { success: 'done' } } } },
  ends: { done: {} },
  ...more,
})

/** Instances over one database, as an operator would start them. */
const installation = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'registered-'))
  const { connectionString: database } = await testDatabase()
  const clients = join(folder, 'clients.toml')
  await writeFile(clients, `[olga]\ntoken = "${tokens.olga}"\nrole = "operator"\n[anna]\ntoken = "${tokens.anna}"\n`)
  const running = new Set<RunningOrchestrator>()
  onTestFinished(async () => {
    for (const server of running) await server.stop()
    await rm(folder, { recursive: true })
  })
  const start = async (env: Record<string, string> = {}) => {
    const server = await startOrchestrator({
      DATABASE_URL: database,
      API_HOST: '127.0.0.1',
      API_PORT: '0',
      CLIENTS_CONFIG_PATH: clients,
      GLOBAL_WORKER_TOKEN: tokens.hand,
      LOG_LEVEL: 'ERROR',
      ...env,
    })
    running.add(server)
    const url = `http://127.0.0.1:${server.port}`
    return {
      url,
      olga: createClient({ url, token: tokens.olga }),
      anna: createClient({ url, token: tokens.anna }),
      stop: async () => {
        running.delete(server)
        await server.stop()
      },
    }
  }
  return { folder, start }
}

const failure = (call: Promise<unknown>): Promise<TuttiApiError> =>
  call.then(
    () => {
      throw new Error('it was accepted')
    },
    (error) => error as TuttiApiError,
  )

const startWorker = (url: string) => {
  const worker = createWorker({
    url,
    token: tokens.hand,
    skills: { 'picture.shrink': skill({ params: z.object({ v: z.number() }), run: ({ v }) => ({ seen: v }) }) },
  })
  onTestFinished(() => worker.stop())
  void worker.start()
}

test('it is there at once, with its endpoint, and its document is read back as it was sent', async () => {
  const { start } = await installation()
  const { url, olga, anna } = await start()
  startWorker(url)
  expect(await olga.blueprints.register(document())).toEqual({ name: 'shrink', version: 1 })
  expect(await anna.blueprints.document('shrink', 1)).toEqual(document())
  expect(await anna.blueprints.list()).toMatchObject([{ name: 'shrink', version: 1, endpoint: '/shrink' }])
  const answer = await fetch(`${url}/api/v1/shrink`, {
    method: 'POST',
    headers: { 'x-client-token': tokens.anna, 'content-type': 'application/json' },
    body: '{"initial_data": {}}',
  })
  expect(answer.status).toBe(202)
  const { job_id } = (await answer.json()) as { job_id: string }
  expect(await anna.jobs.wait(job_id)).toMatchObject({ status: 'finished', result: { seen: 1 } })
})

test('all faults are told, each with its path, and an expression’s with its column', async () => {
  const { start } = await installation()
  const { olga } = await start()
  const error = await failure(
    olga.blueprints.register(
      document(1, {
        input: { type: 'nothing' },
        states: {
          ask: {
            when: [{ if: 'input.size >', go_to: 'done' }],
            dispatch: { skill: 's', params: { a: { $expr: 'nobody.name' } }, on: { success: 'done' } },
          },
        },
      }),
    ),
  )
  expect(error).toMatchObject({ status: 400, code: 'INVALID_BODY' })
  expect(error.faults?.map(({ path }) => path).sort()).toEqual([
    'body.input.type',
    'body.states.ask.dispatch.params.a',
    'body.states.ask.when.0.if',
  ])
  expect(error.faults?.find(({ path }) => path.endsWith('.if'))?.message).toMatch(/column \d+/)
  expect(error.path).toBe(error.faults?.[0]?.path)
  expect(await olga.blueprints.list()).toEqual([])

  expect(await failure(olga.blueprints.register({ ...document(), start: 'nowhere' }))).toMatchObject({
    code: 'INVALID_BODY',
    faults: [{ path: 'body.start', message: expect.stringContaining('nowhere') }],
  })
  expect(
    await failure(olga.blueprints.register({ ...document(), format: 'tutti/v2' } as unknown as BlueprintDocument)),
  ).toMatchObject({ code: 'INVALID_BODY', path: 'body.format' })
})

test('only an operator registers and retires', async () => {
  const { start } = await installation()
  const { olga, anna } = await start()
  expect(await failure(anna.blueprints.register(document()))).toMatchObject({ status: 403, code: 'FORBIDDEN' })
  await olga.blueprints.register(document())
  expect(await failure(anna.blueprints.retire('shrink', 1))).toMatchObject({ status: 403, code: 'FORBIDDEN' })
  expect(await failure(olga.blueprints.retire('shrink', 2))).toMatchObject({ code: 'BLUEPRINT_NOT_FOUND' })
})

test('a version is one document for ever: the same again changes nothing, another is refused', async () => {
  const { start } = await installation()
  const { olga } = await start()
  await olga.blueprints.register(document())
  await olga.blueprints.register(document())
  const other = document(1, { endpoint: '/other' })
  expect(await failure(olga.blueprints.register(other))).toMatchObject({ status: 409, code: 'BLUEPRINT_EXISTS' })
  await olga.blueprints.retire('shrink', 1)
  expect(await failure(olga.blueprints.register(other))).toMatchObject({ code: 'BLUEPRINT_EXISTS' })
  expect(await olga.blueprints.document('shrink', 1)).toEqual(document())
  const rival = { ...document(), name: 'rival' }
  await olga.blueprints.register(document())
  expect(await failure(olga.blueprints.register(rival))).toMatchObject({ code: 'BLUEPRINT_EXISTS' })
})

test('two instances that are told different documents of one version at once: one of them wins everywhere', async () => {
  const { start } = await installation()
  const [one, two] = [await start(), await start()]
  const ends = ['left', 'right']
  const documents = ends.map((end) =>
    document(1, {
      states: { ask: { dispatch: { skill: 'picture.shrink', on: { success: end } } } },
      ends: { [end]: {} },
    }),
  )
  const outcomes = await Promise.allSettled([
    one.olga.blueprints.register(documents[0] ?? document()),
    two.olga.blueprints.register(documents[1] ?? document()),
  ])
  const won = outcomes.findIndex(({ status }) => status === 'fulfilled')
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const { anna } of [one, two])
    await vi.waitFor(async () => {
      const [listed] = await anna.blueprints.list()
      expect(listed?.states).toEqual(['ask', ends[won]])
    }, 10_000)
})

test('it appears at the other instances without a restart, and is there after one', async () => {
  const { start } = await installation()
  const [one, two] = [await start(), await start()]
  await one.olga.blueprints.register(document())
  await vi.waitFor(async () => expect((await two.anna.blueprints.list()).map(({ name }) => name)).toEqual(['shrink']), {
    timeout: 10_000,
  })
  const { job_id } = await two.anna.jobs.create({ blueprint: 'shrink', input: {} })
  await one.stop()
  await two.stop()
  const three = await start()
  startWorker(three.url)
  expect(await three.anna.jobs.wait(job_id)).toMatchObject({ status: 'finished', result: { seen: 1 } })
})

test('what is retired takes no new jobs, and those that run go on, also after a restart', async () => {
  const { start } = await installation()
  const one = await start()
  await one.olga.blueprints.register(document(1))
  const { job_id } = await one.anna.jobs.create({ blueprint: 'shrink', input: {} })
  await one.olga.blueprints.retire('shrink', 1)
  await one.olga.blueprints.retire('shrink', 1)
  expect(await failure(one.anna.jobs.create({ blueprint: 'shrink', input: {} }))).toMatchObject({
    code: 'BLUEPRINT_NOT_FOUND',
  })
  // Its address is free for another one, which must not keep the retired one from being loaded.
  await one.olga.blueprints.register({ ...document(), name: 'a_rival' })
  await one.stop()
  const two = await start()
  expect((await two.anna.blueprints.list()).map(({ name }) => name)).toEqual(['a_rival'])
  startWorker(two.url)
  expect(await two.anna.jobs.wait(job_id)).toMatchObject({ status: 'finished', result: { seen: 1 } })
  await two.olga.blueprints.retire('a_rival', 1)
  await two.olga.blueprints.register(document(1))
  expect((await two.anna.blueprints.list()).map(({ name }) => name)).toEqual(['shrink'])
})

test('a schedule of the file may name a registered blueprint; one that is nowhere keeps the server from starting', async () => {
  const { folder, start } = await installation()
  const schedules = join(folder, 'schedules.toml')
  await writeFile(schedules, '[nightly]\nblueprint = "shrink"\ndaily_at = "03:00"\n')
  const starting = () => start({ SCHEDULES_CONFIG_PATH: schedules })
  await expect(starting()).rejects.toMatchObject({
    name: 'ConfigError',
    faults: [{ line: 2, what: expect.stringContaining('“shrink”') }],
  })
  const first = await start()
  await first.olga.blueprints.register(document())
  await first.stop()
  const second = await starting()
  expect((await second.olga.schedules.list()).map(({ name }) => name)).toEqual(['nightly'])
})

test('a document that this instance can’t load is told once, and keeps nothing else from being loaded', async () => {
  const store = createMemoryStore()
  onTestFinished(store.close)
  const stored = (name: string, more: object): StoredRecord => ({
    ...{ kind: 'blueprint', id: `${name}@1`, owner: null, ref: name, rev: 1, dueAt: null, expiresAt: null },
    body: {
      name,
      version: 1,
      by: 'olga',
      retired: false,
      document: { ...document(), endpoint: `/${name}`, name, ...more } as unknown as JsonObject,
    },
  })
  // As a newer version of the program would have written it.
  await store.putRecords([stored('newer', { format: 'tutti/v9' }), stored('sound', {})])
  const lines: string[] = []
  const blueprints = createRegistry([])
  const log = { ...silentLogger, error: (_: unknown, line?: string) => void lines.push(String(line)) }
  const { stop } = await followRegisteredBlueprints({ store, blueprints, log })
  onTestFinished(stop)
  expect(blueprints.names()).toEqual(['sound'])
  await store.putRecords([stored('later', {})])
  await vi.waitFor(() => expect(blueprints.names()).toEqual(['sound', 'later']))
  expect(lines).toEqual([expect.stringMatching(/newer v1 can't be loaded here.*format/s)])
})
