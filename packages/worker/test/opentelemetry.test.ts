/** Tasks in the traces of their jobs: the span that the work begins belongs to whoever made the job. */
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { type Middleware, PermanentError, skill } from '../src/index.ts'
import { openTelemetry } from '../src/opentelemetry.ts'
import { aTask } from './support/fake-orchestrator.ts'
import { fakeOrchestrator, runningWorker, until } from './support/setup.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'
const tracing_context = { traceparent: `00-${traceId}-${spanId}-01` }

const exporter = new InMemorySpanExporter()
beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }))
})
afterEach(() => exporter.reset())
afterAll(() => {
  trace.disable()
  context.disable()
})

const tracer = trace.getTracer('the program')
const work = skill({
  params: z.object({ fail: z.boolean().default(false) }),
  run: ({ fail }) =>
    tracer.startActiveSpan('inner', async (span) => {
      await Promise.resolve()
      span.end()
      if (fail) throw new PermanentError('no paper')
      return {}
    }),
})

const run = async (tasks: Parameters<typeof aTask>[0][], middleware: Middleware[] = [openTelemetry]) => {
  const server = await fakeOrchestrator()
  await runningWorker(server, { skills: { work }, middleware })
  server.enqueue(...tasks.map((task) => aTask({ type: 'work', params: {}, ...task })))
  await until(() => server.accepted.length === tasks.length)
  return exporter.getFinishedSpans()
}
const named = (spans: Awaited<ReturnType<typeof run>>, name: string) => spans.filter((span) => span.name === name)

test('the work is a child of the step that made the task, and what it traces itself is a child of the work', async () => {
  const spans = await run([{ tracing_context }])
  const [outer] = named(spans, 'work work')
  const [inner] = named(spans, 'inner')
  expect(outer?.spanContext().traceId).toBe(traceId)
  expect(outer?.parentSpanContext?.spanId).toBe(spanId)
  expect(outer?.attributes).toMatchObject({ 'tutti.attempt': 1 })
  expect(inner?.spanContext().traceId).toBe(traceId)
  expect(inner?.parentSpanContext?.spanId).toBe(outer?.spanContext().spanId)
})

test('work that fails says so in its span', async () => {
  const [span] = named(await run([{ params: { fail: true }, tracing_context }]), 'work work')
  expect(span?.status.message).toContain('no paper')
  expect(span?.ended).toBe(true)
})

test('a task of no trace begins one, and tasks side by side do not mix', async () => {
  const spans = await run([{ tracing_context }, { task_id: 'other', tracing_context: {} }])
  const ids = named(spans, 'work work').map((span) => span.spanContext().traceId)
  expect(new Set(ids).size).toBe(2)
  expect(ids).toContain(traceId)
  for (const inner of named(spans, 'inner')) expect(ids).toContain(inner.spanContext().traceId)
})

test('a trace that its client did not sample stays unsampled', async () => {
  const spans = await run([{ tracing_context: { traceparent: `00-${traceId}-${spanId}-00` } }])
  expect(spans).toEqual([])
})

test('without the middleware the handler is told the context, and nothing is traced for it', async () => {
  const told: (string | null)[] = []
  const note: Middleware = ({ task }, next) => {
    told.push(task.traceparent)
    return next()
  }
  const spans = await run([{ tracing_context }], [note])
  expect(told).toEqual([tracing_context.traceparent])
  expect(named(spans, 'work work')).toEqual([])
})
