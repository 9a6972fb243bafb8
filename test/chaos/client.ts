/** What a careful client does: each request goes to another backend than the one before, and again until one answers. */
import { setTimeout as delay } from 'node:timers/promises'
import type { SessionFrame } from '@tutti/contracts'

export interface Answer<T> {
  status: number
  data: T
  message: string
}

export interface Caller {
  /** Sends until somebody answers with less than 500. Only for what may be sent twice. */
  call<T>(method: 'GET' | 'POST' | 'PUT', path: string, body?: object): Promise<Answer<T>>
  /** @throws Error on any answer but 200 */
  get<T>(path: string): Promise<T>
}

/** A backend that was stopped takes connections, and says nothing. */
const requestMs = 5_000
/** Longer than anything is ever taken away. */
const patienceMs = 150_000

export const createCaller = (urls: readonly string[]): Caller => {
  let turn = 0
  const call: Caller['call'] = async <T>(method: string, path: string, body?: object) => {
    const until = performance.now() + patienceMs
    for (let tries = 1; ; tries += 1) {
      turn += 1
      try {
        const response = await fetch(`${urls[turn % urls.length]}/api/v1${path}`, {
          method,
          signal: AbortSignal.timeout(requestMs),
          ...(body === undefined
            ? {}
            : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
        })
        const { data, message } = (await response.json()) as { data: T; message: string }
        if (response.status < 500) return { status: response.status, data, message }
        if (performance.now() > until) throw new Error(`${method} ${path}: ${response.status} ${message}`)
      } catch (error) {
        if (performance.now() > until) throw error
      }
      await delay(Math.min(100 * tries, 500))
    }
  }
  return {
    call,
    get: async <T>(path: string) => {
      const { status, data, message } = await call<T>('GET', path)
      if (status !== 200) throw new Error(`GET ${path}: ${status} ${message}`)
      return data
    },
  }
}

export interface Follower {
  frames: readonly SessionFrame[]
  /** Reads on until a frame satisfies; frames that came before count. Undefined: the signal aborted. */
  until(wanted: (frame: SessionFrame) => boolean, signal: AbortSignal): Promise<SessionFrame | undefined>
  readOn(): Promise<void>
}

const lookMs = 150

/** A reader of a session's log that goes on after what it has, whoever answers. */
export const followSession = (
  { get }: Caller,
  sessionId: string,
  saw: (frame: SessionFrame, at: number) => void,
): Follower => {
  const frames: SessionFrame[] = []
  const readOn = async (): Promise<void> => {
    for (let more = true; more; ) {
      const since = frames.at(-1)?.seq ?? 0
      const page = await get<{ items: SessionFrame[]; has_more: boolean }>(
        `/sessions/${sessionId}/events?since=${since}`,
      )
      const now = Date.now()
      for (const frame of page.items) {
        frames.push(frame)
        saw(frame, now)
      }
      more = page.has_more
    }
  }
  return {
    frames,
    readOn,
    until: async (wanted, signal) => {
      for (let looked = 0; ; ) {
        for (; looked < frames.length; looked += 1) {
          const frame = frames[looked]
          if (frame && wanted(frame)) return frame
        }
        if (signal.aborted) return undefined
        await readOn()
        if (looked === frames.length) await delay(lookMs)
      }
    },
  }
}
