/** The history archive behind a whole orchestrator: what it keeps, for whom, and what waits for it. */
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { createMemoryStore } from '@tutti/stores'
import { freePort, testDatabase } from '@tutti/stores/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { errand, round } from '../configuration/blueprints.ts'
import { answer, create, ending } from '../configuration/jobs.ts'
import { caller, file, type Server, serve, start, until } from '../configuration/server.ts'

const oneDay = 86_400_000
const blueprints = [errand, round(3)]

const onSqlite = async (): Promise<string> => `sqlite://${join(dirname(file('note', '')), 'archive', 'history.db')}`
const onPostgres = async (): Promise<string> => {
  const { connectionString, drop } = await testDatabase()
  onTestFinished(drop)
  return connectionString
}

interface Line {
  job_id: string
  seq: number
  event_type: string
  timestamp: string
}
const lines = async (server: Pick<Server, 'get'>, query: string, headers = {}): Promise<Line[]> => {
  const { status, body } = await server.get(`/api/v1/history?${query}`, headers)
  expect(status, JSON.stringify(body)).toBe(200)
  return body.items
}
/** Until the end of the job is archived. */
const archived = (server: Pick<Server, 'get'>, id: string, headers = {}): Promise<Line[]> =>
  until(async () => {
    const found = await lines(server, `job_id=${id}&limit=1000`, headers)
    return found.some(({ event_type }) => event_type === 'job_finished') && found
  })
const finished = async (server: Server, blueprint: string): Promise<string> => {
  const { job_id } = (await create(server, blueprint)).body
  if (blueprint === 'errand') await answer(server, { status: 'success' })
  await ending(server, job_id)
  return job_id
}

/** A store whose clock can be put forward, and whose feed can be held back. */
const steered = () => {
  let ahead = 0
  let held = false
  const store = createMemoryStore({ now: () => Date.now() + ahead })
  const purges: (() => void)[] = []
  return {
    store: {
      ...store,
      feed: async (request: Parameters<typeof store.feed>[0]) => {
        if (held) throw new Error('the feed is held back')
        return store.feed(request)
      },
      purge: async (request: Parameters<typeof store.purge>[0]) => {
        const ids = await store.purge(request)
        for (const tell of purges.splice(0)) tell()
        return ids
      },
    },
    advance: (ms: number) => {
      ahead += ms
    },
    hold: (hold: boolean) => {
      held = hold
    },
    purged: () => new Promise<void>((resolve) => purges.push(resolve)),
  }
}

describe.each([
  ['SQLite', onSqlite],
  ['PostgreSQL', onPostgres],
])('archive on %s:', (_name, place) => {
  it('holds every line of a job, to be searched and taken along', async () => {
    const server = await serve({ HISTORY_DATABASE_URI: await place(), TZ: 'Asia/Kathmandu' }, { blueprints })
    const [first, second] = [await finished(server, 'round'), await finished(server, 'errand')]
    const [ofRound, ofErrand] = [await archived(server, first), await archived(server, second)]
    const log = (await server.get(`/api/v1/jobs/${second}/history`)).body
    expect(ofErrand.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(log.map(({ seq }: Line) => seq))
    for (const { timestamp } of ofErrand) expect(timestamp).toMatch(/\+05:45$/)

    expect(new Set((await lines(server, 'blueprint=round&limit=1000')).map(({ job_id }) => job_id))).toEqual(
      new Set([first]),
    )
    const tasks = await lines(server, 'event_type=task_finished&worker_id=hand')
    expect(tasks.map(({ job_id }) => job_id)).toEqual([second])
    const end = ofRound.find(({ event_type }) => event_type === 'job_finished')?.timestamp ?? ''
    const at = new Date(end).toISOString()
    const until = await lines(server, `before=${at}&job_id=${first}&limit=1000`)
    const from = await lines(server, `from=${at}&job_id=${first}&limit=1000`)
    expect(until.every(({ timestamp }) => Date.parse(timestamp) < Date.parse(end))).toBe(true)
    expect([...until, ...from].map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(
      ofRound.map(({ seq }) => seq).sort((a, b) => a - b),
    )

    // A page at a time is the same as all at once.
    const paged: string[] = []
    for (let cursor = ''; ; ) {
      const { body } = await server.get(`/api/v1/history?limit=3${cursor}`)
      paged.push(...body.items.map((line: Line) => `${line.job_id}:${line.seq}`))
      if (body.next_cursor === null) break
      cursor = `&cursor=${encodeURIComponent(body.next_cursor)}`
    }
    const exported = await server.get('/api/v1/history/export')
    expect(exported.headers.get('content-type')).toContain('application/x-ndjson')
    const rows = (exported.body as string)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line)
    expect(rows.map((line) => `${line.job_id}:${line.seq}`)).toEqual(paged)
    expect(rows).toHaveLength(ofRound.length + ofErrand.length)
  })

  it('shows strangers nothing', async () => {
    const path = file('clients.toml', '[anna]\ntoken = "of-anna"\n[otto]\ntoken = "of-otto"\n')
    const env = { HISTORY_DATABASE_URI: await place(), CLIENTS_CONFIG_PATH: path }
    const server = await serve(env, { blueprints })
    const [anna, otto] = [{ 'x-client-token': 'of-anna' }, { 'x-client-token': 'of-otto' }]
    const { job_id } = (await server.post('/api/v1/jobs', { blueprint: 'round' }, anna)).body
    await archived(server, job_id, anna)
    expect(await lines(server, `job_id=${job_id}`, otto)).toEqual([])
    expect(await lines(server, '', otto)).toEqual([])
    expect((await server.get('/api/v1/history/export', otto)).body).toBe('')
    expect((await server.get('/api/v1/history', { 'x-client-token': 'nobody' })).status).toBe(401)
  })

  it('remembers jobs that the store has forgotten; none is forgotten before it is archived', async () => {
    const { store, advance, hold, purged } = steered()
    const env = { HISTORY_DATABASE_URI: await place(), JOB_RETENTION_DAYS: '1', WATCHER_INTERVAL_SECONDS: '0.05' }
    const server = await serve({ ...env, LOG_LEVEL: 'ERROR' }, { blueprints, store })
    const known = await finished(server, 'round')
    await archived(server, known)
    hold(true)
    const waiting = await finished(server, 'round')
    const status = async (id: string): Promise<number> => (await server.get(`/api/v1/jobs/${id}`)).status
    const clear = async (): Promise<void> => {
      // The next time, and one after it: the one under way may have begun earlier.
      for (let time = 0; time < 2; time += 1) {
        const done = purged()
        advance(2 * 60_000)
        await done
      }
    }
    advance(3 * oneDay)
    await clear()
    expect(await status(waiting)).toBe(200)

    hold(false)
    await archived(server, waiting)
    await clear()
    expect([await status(waiting), await status(known)]).toEqual([404, 404])
    const { status: found, body } = await server.get(`/api/v1/jobs/${waiting}/history`)
    expect(found).toBe(200)
    expect(body.at(-1)).toMatchObject({ event_type: 'job_finished' })
    const otto = await server.get(`/api/v1/jobs/${crypto.randomUUID()}/history`)
    expect(otto.status).toBe(404)
  })

  it('loses nothing when the process is killed in the middle', { timeout: 40_000 }, async () => {
    const { connectionString, drop } = await testDatabase()
    onTestFinished(drop)
    const engine = import.meta.resolve('@tutti/engine')
    const module = file(
      'round.ts',
      `import { blueprint } from ${JSON.stringify(engine)}
export default blueprint({ name: 'round' }).state('a', { start: true, to: ['b'] }, ({ goTo }) => goTo('b')).end('b')`,
    )
    const env = {
      STORAGE: 'postgres',
      DATABASE_URL: connectionString,
      HISTORY_DATABASE_URI: await place(),
      BLUEPRINTS_DIR: dirname(module),
      LOG_LEVEL: 'ERROR',
    }
    const before = await freePort()
    const child = await start(before, env)
    const jobs = Array.from({ length: 100 }, () => ({ blueprint: 'round' }))
    const { body } = await caller(`http://127.0.0.1:${before}`).post('/api/v1/jobs/batch', { jobs })
    const ids: string[] = body.jobs.map(({ job_id }: { job_id: string }) => job_id)
    // Archiving has begun, or is about to.
    child.kill('SIGKILL')
    await once(child, 'exit')

    const port = await freePort()
    await start(port, env)
    const server = caller(`http://127.0.0.1:${port}`)
    for (const id of ids) {
      const found = await archived(server, id)
      const log: Line[] = (await server.get(`/api/v1/jobs/${id}/history`)).body
      expect(found.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(log.map(({ seq }) => seq))
    }
  })
})

it('what is committed while the server stops is archived, too', async () => {
  const uri = await onSqlite()
  const store = createMemoryStore()
  const server = await serve({ HISTORY_DATABASE_URI: uri }, { blueprints, store })
  const ids = await Promise.all(Array.from({ length: 20 }, async () => (await create(server, 'round')).body.job_id))
  await server.stop()
  // Another store: what is there now was archived before.
  const later = await serve({ HISTORY_DATABASE_URI: uri }, { blueprints })
  const found = await lines(later, 'event_type=job_created&limit=1000')
  expect(new Set(found.map(({ job_id }) => job_id))).toEqual(new Set(ids))
})
