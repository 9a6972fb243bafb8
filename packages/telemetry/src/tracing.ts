/**
 * OpenTelemetry traces. A job lives longer than any process, so its spans are not held open: each is written when what it tells of is
 * over, with its true beginning, under the trace context that the job carries.
 */
import type { Tracer } from '@opentelemetry/api'
import { parseTraceparent, writeTraceparent } from './trace-context.ts'

export interface SpanRecord {
  name: string
  kind: 'server' | 'producer' | 'consumer' | 'internal'
  /** The traceparent it belongs under; null begins a trace. */
  parent: string | null
  /** Milliseconds since the epoch. */
  startedAt: number
  endedAt: number
  attributes: Record<string, string | number | boolean>
  /** What went wrong; null when nothing did. */
  error: string | null
}

export interface Tracing {
  /** Writes a span that is over. @returns the traceparent for what belongs under it; null when nothing is traced */
  record(span: SpanRecord): string | null
  /** Sends what is waiting, and ends. */
  stop(): Promise<void>
}

export const noTracing: Tracing = { record: ({ parent }) => parent, stop: async () => {} }

export interface TracingOptions {
  /** OTEL_EXPORTER_OTLP_ENDPOINT: the collector's address; spans go to its /v1/traces. */
  endpoint: string
  serviceName: string
  instance: string
}

/** Sends spans to a collector. The API and the SDK are loaded here and nowhere else: without an endpoint nobody pays for it. */
export const startTracing = async ({ endpoint, serviceName, instance }: TracingOptions): Promise<Tracing> => {
  const [api, { BatchSpanProcessor, TracerProvider }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-proto'),
      import('@opentelemetry/resources'),
    ])
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName, 'service.instance.id': instance }),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  })
  return { record: recorder(api, provider.getTracer('tutti')), stop: () => provider.shutdown() }
}

const recorder = (
  { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace }: typeof import('@opentelemetry/api'),
  tracer: Tracer,
): Tracing['record'] => {
  const kinds = {
    server: SpanKind.SERVER,
    producer: SpanKind.PRODUCER,
    consumer: SpanKind.CONSUMER,
    internal: SpanKind.INTERNAL,
  } as const
  return ({ name, kind, parent, startedAt, endedAt, attributes, error }) => {
    const known = parseTraceparent(parent)
    const context = known
      ? trace.setSpanContext(ROOT_CONTEXT, {
          traceId: known.traceId,
          spanId: known.spanId,
          traceFlags: known.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
          isRemote: true,
        })
      : ROOT_CONTEXT
    const span = tracer.startSpan(name, { kind: kinds[kind], startTime: startedAt, attributes }, context)
    if (error !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: error })
    span.end(Math.max(endedAt, startedAt))
    const { traceId, spanId, traceFlags } = span.spanContext()
    return writeTraceparent({ traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 })
  }
}
