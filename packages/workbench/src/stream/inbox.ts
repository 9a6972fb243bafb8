import type { HubNews } from './hub.ts'

/** Things to show that wait for a slow reader at most; the complete text follows in a message. */
const maxChunks = 500
/** Lines that wait at most; of more, only the newest counts, and the reader looks for what is before it in the log. */
const maxLines = 50

/** News of one session, waiting for one reader. Bounded: what does not fit is left to the log, or dropped where it is only shown. */
export const createInbox = (
  signal: AbortSignal,
): { put: (news: HubNews) => void; take: () => Promise<HubNews | null> } => {
  const waiting: HubNews[] = []
  let wake = (): void => {}
  signal.addEventListener('abort', () => wake(), { once: true })

  const isChunk = (news: HubNews | undefined): boolean => typeof news === 'object' && news.chunk !== undefined

  return {
    put: (news) => {
      if (isChunk(news) && waiting.length >= maxChunks) return
      const last = waiting.at(-1)
      const replaces = last !== undefined && last !== 'resync' && !isChunk(last) && !isChunk(news)
      if (replaces && waiting.length >= maxLines) waiting.pop()
      waiting.push(news)
      wake()
    },
    take: async () => {
      for (;;) {
        if (signal.aborted) return null
        const next = waiting.shift()
        if (next !== undefined) return next
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
  }
}
