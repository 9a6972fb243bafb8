/** The W3C trace context header (www.w3.org/TR/trace-context), as far as it is carried from client to worker. */

export interface TraceContext {
  /** 32 hex digits. */
  traceId: string
  /** 16 hex digits: the span that the next one belongs under. */
  spanId: string
  sampled: boolean
}

/** null for a header that is missing or that the standard calls invalid: then a trace begins anew. */
export const parseTraceparent = (header: string | null | undefined): TraceContext | null => {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header?.trim() ?? '')
  const [, version, traceId, spanId, flags, rest] = match ?? []
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return null
  // Later versions may add parts; this one has none.
  if (version === 'ff' || (version === '00' && rest !== undefined)) return null
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export const writeTraceparent = ({ traceId, spanId, sampled }: TraceContext): string =>
  `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`
