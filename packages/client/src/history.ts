/** The history archive: lines of all jobs, longer than the jobs themselves. */
import { type ArchivedEventView, archivedEvent, type HistoryPage, historyPage } from '@tutti/contracts'
import { pages } from './answers.ts'
import { parseJson, unexpected, unreachable } from './errors.ts'
import type { Http, Query } from './http.ts'

export interface HistoryFilter {
  job_id?: string | undefined
  blueprint?: string | undefined
  event_type?: readonly string[] | undefined
  worker_id?: string | undefined
  /** Instants, as ISO 8601 with an offset: the first included, the last not. */
  from?: string | undefined
  before?: string | undefined
}

export interface HistoryApi {
  /** Newest first; pages are fetched as they are needed. */
  search(filter?: HistoryFilter & { limit?: number | undefined }): AsyncIterable<ArchivedEventView>
  /** One page of `search`. */
  page(filter?: HistoryFilter & { limit?: number | undefined; cursor?: string | undefined }): Promise<HistoryPage>
  /** The same in one answer, line by line; a connection that breaks is told, not taken up again. */
  export(filter?: HistoryFilter, options?: { signal?: AbortSignal | undefined }): AsyncIterable<ArchivedEventView>
}

export const createHistory = (http: Http): HistoryApi => {
  const page: HistoryApi['page'] = (filter = {}) =>
    http.call({ method: 'GET', path: '/api/v1/history', query: { ...filter }, answer: historyPage })
  return {
    page,
    search: (filter = {}) => pages((cursor) => page({ ...filter, cursor })),
    export: (filter = {}, { signal } = {}) => exported(http, { ...filter }, signal ?? new AbortController().signal),
  }
}

async function* exported(http: Http, query: Query, signal: AbortSignal): AsyncGenerator<ArchivedEventView, void, void> {
  const request = { method: 'GET', url: `${http.base}/api/v1/history/export` }
  const response = await http.open('/api/v1/history/export', query, {}, signal)
  const line = (text: string): ArchivedEventView => {
    const read = archivedEvent.safeParse(parseJson(text))
    if (read.success) return read.data
    throw unexpected(request, response.status, read.error)
  }
  let rest = ''
  try {
    for await (const chunk of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const each of lines) yield line(each)
    }
  } catch (error) {
    signal.throwIfAborted()
    throw error instanceof Error && error.name === 'TuttiApiError' ? error : unreachable(request, error)
  }
}
