/** Calls to the workbench, whose answers lie in an envelope, and whose lists come in pages. */
import { randomUUID } from 'node:crypto'
import type { Call, Http, Query } from './http.ts'

interface Envelope<T> {
  code: number
  message: string
  data: T | null
}

interface Schema<T> {
  parse(value: unknown): T
}

export interface WorkbenchCalls {
  get<T>(path: string, answer: Schema<Envelope<T>>, query?: Query): Promise<T>
  send<T>(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body: unknown,
    answer: Schema<Envelope<T>>,
    more?: Pick<Call<T>, 'repeatable' | 'timeoutMs'>,
  ): Promise<T>
  /** A POST under an id that is chosen here: repeated after a lost answer, by whichever backend, it is done once. */
  once<T>(path: string, body: object, answer: Schema<Envelope<T>>): Promise<T>
  /** All of a list that is read from an offset on. */
  all<T>(path: string, answer: Schema<Envelope<T[]>>, query?: Query): Promise<T[]>
}

/** The most that one answer holds of a list. */
export const mostOfPage = 1000

/** @param http its errors are those of the calls: TuttiApiError */
export const workbenchCalls = (http: Http): WorkbenchCalls => {
  const get: WorkbenchCalls['get'] = (path, answer, query) =>
    http.call({ method: 'GET', path: `/api/v1${path}`, query, answer: inEnvelope(answer) })
  const send: WorkbenchCalls['send'] = (method, path, body, answer, more = {}) =>
    http.call({ method, path: `/api/v1${path}`, body, answer: inEnvelope(answer), ...more })
  return {
    get,
    send,
    once: (path, body, answer) =>
      send('POST', path, { ...body, client_request_id: randomUUID() }, answer, { repeatable: true }),
    all: async <T>(path: string, answer: Schema<Envelope<T[]>>, query: Query = {}): Promise<T[]> => {
      const found: T[] = []
      for (;;) {
        const page = await get(path, answer, { ...query, limit: mostOfPage, offset: found.length })
        found.push(...page)
        // A page that is not full is the last one.
        if (page.length < mostOfPage) return found
      }
    },
  }
}

/** Reads the data out of the envelope. */
const inEnvelope = <T>(schema: Schema<Envelope<T>>): Schema<T> => ({
  parse: (value) => {
    const { code, message, data } = schema.parse(value)
    if (code !== 0 || data === null) throw new Error(`${message} (${code})`)
    return data
  },
})
