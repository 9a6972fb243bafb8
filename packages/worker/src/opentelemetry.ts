/**
 * Tasks in the traces of their jobs, for programs that have OpenTelemetry registered. Apart from the rest of the SDK, so that nobody
 * needs `@opentelemetry/api` who does not import this.
 */
import { type Context, context, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api'
import { errorMessage } from './log.ts'
import type { Middleware } from './middleware.ts'
import { isOutcome } from './outcome.ts'

/**
 * A span around each task, below the step that made the task; what the work itself traces comes below that. First in the list of
 * middleware, so that the span covers the others, too.
 */
export const openTelemetry: Middleware = ({ task }, next) =>
  trace.getTracer('@tutti/worker').startActiveSpan(
    `work ${task.skill}`,
    {
      kind: SpanKind.CONSUMER,
      attributes: { 'tutti.job.id': task.jobId, 'tutti.task.id': task.taskId, 'tutti.attempt': task.attempt },
    },
    parentOf(task.traceparent),
    async (span) => {
      try {
        const result = await next()
        if (isOutcome(result)) span.setAttribute('tutti.outcome', result.status)
        return result
      } catch (error) {
        span.recordException(error instanceof Error ? error : String(error))
        span.setStatus({ code: SpanStatusCode.ERROR, message: errorMessage(error) })
        throw error
      } finally {
        span.end()
      }
    },
  )

/** Read here and not by the program's propagator: it may have chosen one of another kind for its own calls. */
const parentOf = (traceparent: string | null): Context => {
  const [, traceId, spanId, flags] =
    /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/.exec(traceparent ?? '') ?? []
  // What the program does around its worker is no part of the job.
  const base = trace.deleteSpan(context.active())
  if (traceId === undefined || spanId === undefined || flags === undefined) return base
  const sampled = (Number.parseInt(flags, 16) & TraceFlags.SAMPLED) !== 0
  return trace.setSpanContext(base, {
    traceId,
    spanId,
    traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
  })
}
