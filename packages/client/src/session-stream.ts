/** The live frames of a session, resumed by number after every lost connection. */
import { createBackoff, type SessionFrame, sessionFrame } from '@tutti/contracts'
import { parseJson, TuttiApiError, unreachable } from './errors.ts'
import type { Http } from './http.ts'
import type { StreamOptions } from './job-stream.ts'
import { readSocket } from './socket.ts'

const reconnectAttempts = 30
const mostQueued = 10_000
/** Close code "policy violation": this session isn't for this caller, now or later. */
const refusedCode = 1008

/**
 * Ends only when the caller leaves the loop or aborts. Numbered frames come exactly once and in order. Two kinds are
 * outside of the count: `session.snapshot` comes after each connect, `message.chunk` while a text is being written.
 */
export async function* streamSession(
  http: Http,
  id: string,
  getSession: () => Promise<unknown>,
  { since = 0, signal }: StreamOptions,
): AsyncGenerator<SessionFrame, void, void> {
  const path = `/api/v1/ws/sessions/${encodeURIComponent(id)}`
  const request = { method: 'GET', url: http.base + path }
  const backoff = createBackoff(http.retry)
  let last = since
  let failures = 0

  for (;;) {
    signal?.throwIfAborted()
    const frames = readSocket({
      url: `${http.base.replace(/^http/, 'ws')}${path}?since=${last}`,
      headers: http.headers,
      signal,
      clock: http.clock,
      idleMs: http.idleMs,
      mostQueued,
    })
    let first = true
    let heard = false
    let next = await frames.next()
    try {
      for (; !next.done; next = await frames.next()) {
        heard = true
        const { seq, frame, counted } = readFrame(next.value)
        if (!counted) {
          if (frame !== undefined && (frame.type === 'session.snapshot' || seq >= last)) yield frame
          continue
        }
        if (seq <= last) continue
        // Frames are missing in the middle: ask for them. See the job stream.
        if (!first && seq !== last + 1) break
        first = false
        last = seq
        failures = 0
        backoff.reset()
        if (frame !== undefined) yield frame
      }
    } finally {
      // Also when the caller leaves the loop at a yield.
      if (!next.done) await frames.return({ opened: true, code: 1000, reason: '' })
    }
    signal?.throwIfAborted()
    if (next.done && next.value.code === refusedCode) throw refusedBySession(request, next.value.reason)
    // A refused handshake doesn't say why; the session's own address does. If it answers, trying again makes sense.
    if (!heard) await getSession()
    failures = next.done && !next.value.opened ? failures + 1 : 0
    if (failures > reconnectAttempts) throw unreachable(request, 'the WebSocket doesn’t open')
    await http.clock.sleep(backoff.next(), signal)
  }
}

interface ReadFrame {
  seq: number
  /** Undefined for a kind of frame that this client doesn't know yet; its number counts all the same. */
  frame: SessionFrame | undefined
  counted: boolean
}

const uncounted: ReadonlySet<string> = new Set(['session.snapshot', 'message.chunk'])

const readFrame = (text: string): ReadFrame => {
  const value = parseJson(text)
  const known = sessionFrame.safeParse(value)
  if (known.success) return { seq: known.data.seq, frame: known.data, counted: !uncounted.has(known.data.type) }
  const seq = typeof value === 'object' && value !== null && 'seq' in value ? value.seq : undefined
  return Number.isInteger(seq)
    ? { seq: Number(seq), frame: undefined, counted: true }
    : { seq: 0, frame: undefined, counted: false }
}

const refusedBySession = (request: { method: string; url: string }, reason: string): TuttiApiError =>
  new TuttiApiError(`The session’s stream was refused: ${reason || 'it isn’t yours'}`, {
    code: 'FORBIDDEN',
    status: 403,
    retryable: false,
    hint: 'Use the token of the session’s owner.',
    request,
  })
