/** One connection of server-sent events. */
import { createParser, type EventSourceMessage } from 'eventsource-parser'

/** Yields what comes, until the server closes. Throws when the connection breaks. */
export async function* readServerSentEvents(
  response: Response,
  onSignOfLife: () => void,
): AsyncGenerator<EventSourceMessage> {
  if (response.body === null) return
  let events: EventSourceMessage[] = []
  const parser = createParser({ onEvent: (event) => events.push(event) })
  const decoder = new TextDecoder()
  for await (const chunk of response.body) {
    onSignOfLife()
    parser.feed(decoder.decode(chunk, { stream: true }))
    const complete = events
    events = []
    yield* complete
  }
}
