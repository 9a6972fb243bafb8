/** A reader of server-sent events that the test drives line by line. */
import type { TestServer } from './server.ts'
import { tokens } from './server.ts'

export interface StreamedEvent {
  id: string
  event: string
  data: { seq: number; event_type: string }
}

export const openStream = async (
  server: TestServer,
  jobId: string,
  options: { since?: number; lastEventId?: string } = {},
) => {
  const gone = new AbortController()
  const query = options.since === undefined ? '' : `?since=${options.since}`
  const response = await fetch(`${server.url}/api/v1/jobs/${jobId}/stream${query}`, {
    headers: {
      'x-client-token': tokens.anna,
      ...(options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId }),
    },
    signal: gone.signal,
  })
  const frames = readFrames(response)
  return {
    response,
    /** The next event; undefined at the end of the stream. */
    next: async (): Promise<StreamedEvent | undefined> => {
      for (;;) {
        const { value, done } = await frames.next()
        if (done) return undefined
        const event = parse(value)
        if (event) return event
      }
    },
    rest: async (): Promise<StreamedEvent[]> => {
      const events: StreamedEvent[] = []
      for await (const frame of frames) {
        const event = parse(frame)
        if (event) events.push(event)
      }
      return events
    },
    drop: () => gone.abort(),
  }
}

async function* readFrames(response: Response): AsyncGenerator<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      yield text.slice(0, end)
      text = text.slice(end + 2)
    }
  }
}

const parse = (frame: string): StreamedEvent | undefined => {
  const fields = Object.fromEntries(
    frame.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  )
  return fields.data === undefined
    ? undefined
    : { id: fields.id ?? '', event: fields.event ?? '', data: JSON.parse(fields.data) }
}
