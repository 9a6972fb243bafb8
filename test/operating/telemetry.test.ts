/** What an installation tells of itself: metrics, traces and lines of its log. */
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { freePort, testRedis } from '@tutti/stores/testing'
import { createWorker, skill } from '@tutti/worker'
import { openTelemetry } from '@tutti/worker/opentelemetry'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { eager, errand } from '../configuration/blueprints.ts'
import { answer, create, ending, receiver, take } from '../configuration/jobs.ts'
import { caller, file, type Server, serve, start, until } from '../configuration/server.ts'

const scrape = async (server: Pick<Server, 'get'>): Promise<string> => (await server.get('/_public/metrics')).body
/** The value of a sample, as it is written; undefined: there is none. */
const sample = (metrics: string, name: string): number | undefined => {
  const line = metrics.split('\n').find((each) => each.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length))
}

test('the metrics of a run are what happened', async () => {
  const server = await serve({ JOB_MAX_RETRIES: '0' }, { blueprints: [errand, eager] })
  const [first, second] = [await create(server, 'errand'), await create(server, 'eager')]
  await create(server, 'errand')
  await answer(server, { status: 'success' })
  await answer(server, { status: 'failure', error: { code: 'PERMANENT_ERROR', message: 'no paper' } })
  await ending(server, first.body.job_id)
  await ending(server, second.body.job_id)
  const metrics = await scrape(server)
  expect(sample(metrics, 'orchestrator_jobs_total{blueprint="errand"}')).toBe(2)
  expect(sample(metrics, 'orchestrator_jobs_total{blueprint="eager"}')).toBe(1)
  expect(sample(metrics, 'orchestrator_jobs_failed_total{blueprint="eager"}')).toBe(1)
  expect(sample(metrics, 'orchestrator_jobs_failed_total{blueprint="errand"}')).toBeUndefined()
  expect(sample(metrics, 'orchestrator_job_duration_seconds_count{blueprint="errand"}')).toBe(1)
  expect(sample(metrics, 'orchestrator_jobs_ended_total{blueprint="eager",status="quarantined"}')).toBe(1)
  expect(sample(metrics, 'orchestrator_tasks_total{skill="run",outcome="queued"}')).toBe(3)
  expect(sample(metrics, 'orchestrator_tasks_total{skill="run",outcome="finished"}')).toBe(1)
  expect(sample(metrics, 'orchestrator_task_queue_length{queue="run"}')).toBe(1)
  expect(sample(metrics, 'orchestrator_active_workers')).toBe(1)
})

test('a store that is away costs a scrape its gauges, and nothing else', async () => {
  const { port, stop } = await testRedis({ port: true })
  onTestFinished(stop)
  const server = await serve(
    { STORAGE: 'redis', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port) },
    { blueprints: [errand] },
  )
  await create(server, 'errand')
  await stop()
  const { status, body } = await server.get('/_public/metrics')
  expect(status).toBe(200)
  expect(sample(body, 'orchestrator_jobs_total{blueprint="errand"}')).toBe(1)
  expect(sample(body, 'orchestrator_active_workers')).toBeUndefined()
  expect(body).toMatch(/^process_resident_memory_bytes \d/m)
})

test('every metric of the dashboard exists', async () => {
  const server = await serve({ JOB_MAX_RETRIES: '0' }, { blueprints: [errand] })
  const { job_id } = (await create(server, 'errand')).body
  await answer(server, { status: 'success' })
  await ending(server, job_id)
  const metrics = await scrape(server)
  const exposed = new Set([...metrics.matchAll(/^([a-z_0-9]+)[{ ]/gm)].map(([, name]) => name))
  const dashboard = JSON.parse(readFileSync(new URL('../../deploy/grafana/tutti.json', import.meta.url), 'utf8'))
  const asked = (dashboard.panels as { targets: { expr: string }[] }[])
    .flatMap(({ targets }) => targets)
    .flatMap(({ expr }) => [...expr.matchAll(/\b(?:orchestrator|nodejs|process)_[a-z_0-9]+/g)].map(([name]) => name))
  expect(asked.length).toBeGreaterThan(10)
  expect(asked.filter((name) => !exposed.has(name) && !metrics.includes(`# TYPE ${name} `))).toEqual([])
  // The alerts of the guide, too.
  const guide = readFileSync(new URL('../../deploy/README.md', import.meta.url), 'utf8')
  for (const [name] of guide.matchAll(/\borchestrator_[a-z_]+/g)) expect(metrics).toContain(`# TYPE ${name} `)
})

test('a client’s trace leads through the orchestrator into the work of its worker', { timeout: 20_000 }, async () => {
  const exporter = new InMemorySpanExporter()
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }))
  onTestFinished(() => {
    trace.disable()
    context.disable()
  })
  const { url, received } = await receiver()
  const server = await serve({ OTEL_EXPORTER_OTLP_ENDPOINT: url }, { blueprints: [errand] })
  const told: (string | null)[] = []
  const worker = createWorker({
    url: `http://127.0.0.1:${server.port}`,
    token: 'secure-worker-token',
    skills: {
      run: skill({
        params: z.object({}),
        run: (_, task) => {
          told.push(task.traceparent)
          trace.getTracer('the program').startSpan('inner').end()
          return {}
        },
      }),
    },
    middleware: [openTelemetry],
  })
  await worker.start()
  onTestFinished(() => worker.stop())

  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const traceparent = `00-${traceId}-00f067aa0ba902b7-01`
  const { body } = await server.post('/api/v1/jobs', { blueprint: 'errand' }, { traceparent })
  await ending(server, body.job_id)
  await worker.drain()
  await server.stop()

  // Below the span of the request, and so in the client's trace, but not the client's span itself.
  expect(told).toEqual([expect.stringMatching(new RegExp(`^00-${traceId}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`))])
  const requestSpan = told[0]?.split('-')[2] ?? ''
  const spans = Buffer.concat(received.filter(({ path }) => path === '/v1/traces').map((each) => each.body))
  for (const part of ['POST /api/v1/jobs', 'job errand', 'task run', body.job_id])
    expect(spans.includes(part), part).toBe(true)
  expect(spans.includes(Buffer.from(traceId, 'hex'))).toBe(true)
  expect(spans.includes(Buffer.from(requestSpan, 'hex'))).toBe(true)
  const work = exporter.getFinishedSpans().find(({ name }) => name === 'work run')
  const inner = exporter.getFinishedSpans().find(({ name }) => name === 'inner')
  expect(work?.parentSpanContext).toMatchObject({ traceId, spanId: requestSpan })
  expect(inner?.parentSpanContext).toMatchObject({ traceId, spanId: work?.spanContext().spanId })
})

test('without a collector the client’s own trace is passed on as it came; without any there is none', async () => {
  const server = await serve({}, { blueprints: [errand] })
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  await server.post('/api/v1/jobs', { blueprint: 'errand' }, { traceparent })
  expect(await take(server)).toMatchObject({ tracing_context: { traceparent } })
  await server.post('/api/v1/jobs', { blueprint: 'errand' }, { traceparent: 'no trace at all' })
  expect(await take(server)).toMatchObject({ tracing_context: {} })
})

test('lines of the log say which job and which task they are about', { timeout: 20_000 }, async () => {
  const engine = import.meta.resolve('@tutti/engine')
  const module = file(
    'errand.ts',
    `import { blueprint } from ${JSON.stringify(engine)}
export default blueprint({ name: 'errand' })
  .state('begin', { start: true, to: ['done'] }, ({ dispatch }) => dispatch('run', {}, { on: { success: 'done' } })).end('done')`,
  )
  const port = await freePort()
  const child = await start(port, {
    LOG_LEVEL: 'DEBUG',
    JOB_MAX_RETRIES: '0',
    BLUEPRINTS_DIR: module.replace(/\/errand\.ts$/, ''),
  })
  const output = child.stdout ? text(child.stdout) : Promise.resolve('')
  const server = { port, ...caller(`http://127.0.0.1:${port}`), stop: async () => {} }
  const { job_id } = (await create(server, 'errand')).body
  const { task_id } = await take(server)
  const result = { status: 'failure', error: { code: 'PERMANENT_ERROR', message: 'no paper' } }
  await server.post('/_worker/tasks/result', { job_id, task_id, worker_id: 'hand', result })
  await ending(server, job_id)
  child.kill('SIGTERM')
  const lines = (await output)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
  expect(lines).toContainEqual(expect.objectContaining({ level: 'DEBUG', msg: 'task_queued', job_id, task_id }))
  expect(lines).toContainEqual(expect.objectContaining({ level: 'DEBUG', msg: 'task_failed', job_id, task_id }))
  const end = lines.filter(({ level, job_id: about }) => level === 'WARNING' && about === job_id)
  expect(end).toEqual([expect.objectContaining({ msg: expect.stringContaining('no paper'), blueprint: 'errand' })])
})

test('the line of a request that failed inside names its job', async () => {
  const { port, stop } = await testRedis({ port: true })
  onTestFinished(stop)
  const env = { STORAGE: 'redis', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port) }
  const apiPort = await freePort()
  // Of an outage the log tells the first failure as an error, whosever that is, and the others only here.
  const child = await start(apiPort, { ...env, LOG_LEVEL: 'DEBUG' })
  const output = child.stdout ? text(child.stdout) : Promise.resolve('')
  await stop()
  const id = crypto.randomUUID()
  const { get } = caller(`http://127.0.0.1:${apiPort}`)
  await until(async () => (await get(`/api/v1/jobs/${id}`)).status === 503)
  child.kill('SIGTERM')
  const failed = (await output).split('\n').filter((line) => line.includes('request failed'))
  expect(failed.map((line) => JSON.parse(line))).toContainEqual(expect.objectContaining({ job_id: id }))
})
