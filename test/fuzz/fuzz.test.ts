/**
 * Hostile requests to every operation of backend, manager and orchestrator, as strangers and as the user send them. Whatever comes, nothing
 * is a 5xx, nothing is told of the inside, refusals have their form and write nothing, and the servers live on.
 * `npm run fuzz -- --seed 7 --count 100000` runs longer; a failure names the seed and the request.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Answered, type Asked, call } from '../endpoints/call.ts'
import { readApi } from '../endpoints/document.ts'
import { faultOf } from './judge.ts'
import { type Processes, type Server, startProcesses } from './processes.ts'
import { hostileRequest } from './requests.ts'

/** The same in every run of the suite; the command draws another one each time. */
const seed = Number(process.env.FUZZ_SEED ?? 20_261_122)
/** Altogether; each operation gets its share. */
const count = Number(process.env.FUZZ_COUNT ?? 1_000)
const patienceMs = 30_000 + count * 60

let processes: Processes
beforeAll(async () => {
  processes = await startProcesses()
})
afterAll(() => processes?.close())

/** Tables that change by themselves: what is due is done whoever asks what. */
const byThemselves = [
  ...['session_events', 'work_times', 'spent', 'model_calls', 'migrations'],
  // Of the orchestrator: a lease that ends, a worker that falls silent.
  ...['feed', 'events', 'timers', 'queues', 'workers'],
]

const rowCounts = async (): Promise<string> => {
  const [found] = await processes.database.query<{ counts: string }>(
    `select coalesce(string_agg(table_name || '=' || (xpath('/row/c/text()',
       query_to_xml(format('select count(*) as c from %I.%I', table_schema, table_name), false, true, '')))[1]::text, ' ' order by table_name), '') as counts
     from information_schema.tables where table_schema in ('workbench', 'tutti') and not (table_name = any($1))`,
    [byThemselves],
  )
  return found?.counts ?? ''
}

/** @returns what is wrong with how the server took the request, and the status that it answered */
const send = async (server: Server, asked: Asked): Promise<{ fault: string | undefined; status: number }> => {
  const begun = performance.now()
  let answer: Answered
  try {
    answer = await call(server.url, asked)
  } catch (error) {
    return { fault: `no answer: ${error instanceof Error ? error.message : error}`, status: 0 }
  }
  const tookMs = performance.now() - begun
  // A poll for runs waits as long as it is told to.
  const slow = tookMs > 10_000 && !asked.path.includes('/claim') ? `it took ${Math.round(tookMs)} ms` : undefined
  return { fault: faultOf(asked, answer, processes.secrets, server.refusals) ?? slow, status: answer.status }
}

test('hostile-requests-get-clear-refusals-and-change-nothing', { timeout: patienceMs }, async () => {
  console.info(`fuzz: --seed ${seed} --count ${count}`)
  const faults: string[] = []
  for (const server of processes.servers) {
    const api = await readApi(server.url + server.documentPath)
    const share = Math.ceil(count / (api.operations.length * processes.servers.length))
    for (const [place, operation] of api.operations.entries()) {
      const requests = fc.sample(hostileRequest(api, operation, server.known), { seed: seed + place, numRuns: share })
      let rows = await rowCounts()
      for (const [at, request] of requests.entries()) {
        // Every fourth comes from somebody who is nobody.
        const asked = { ...request, headers: { ...(at % 4 === 3 ? {} : server.headers), ...request.headers } }
        const { fault, status } = await send(server, asked)
        const said = JSON.stringify({ ...asked, headers: request.headers }).slice(0, 600)
        if (fault !== undefined) faults.push(`${server.name}, ${operation.name}: ${fault}\n  ${said}`)
        // What was taken may have been written.
        if (status < 400) rows = await rowCounts()
      }
      if ((await rowCounts()) !== rows)
        faults.push(`${server.name}, ${operation.name}: what it refused has been written nevertheless`)
    }
  }
  expect(faults.slice(0, 20).join('\n'), `${faults.length} faults with --seed ${seed}`).toBe('')
})

test('nothing-of-it-is-in-the-logs-and-the-servers-are-well', async () => {
  for (const server of processes.servers) {
    expect(server.alive(), server.name).toBe(true)
    expect((await call(server.url, { method: 'GET', path: server.healthPath })).status).toBe(200)
    expect(processes.secrets.filter((secret) => server.log().includes(secret))).toEqual([])
    const failed = server
      .log()
      .split('\n')
      .filter((line) => line.includes('"level":"ERROR"'))
    expect(failed.filter((line) => !line.includes('MANAGER_UNAVAILABLE')).slice(0, 3)).toEqual([])
    expect(await server.residentMb(), server.name).toBeLessThan(700)
  }
})
