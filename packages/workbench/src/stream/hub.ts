/**
 * News of sessions across processes: one connection that LISTENs, many listeners. News only says that there is something
 * to read; the log is the truth. So news lost with a connection costs a look at the log, and never a line.
 */
import type pg from 'pg'
import type { Database } from '../database/database.ts'
import type { WorkbenchLog } from '../deps.ts'
import { type News, newsChannel, readNews } from '../session/log.ts'

/** `resync`: the connection was lost for a while, anything may have happened. */
export type HubNews = News | 'resync'

export type Topic = { sessionId: string } | { userId: string }

export interface Hub {
  /** Resolves once the hub listens: what is committed from then on is heard. */
  start(): Promise<void>
  /** News of one session, or of all sessions of a user. The listener must not throw. */
  subscribe(topic: Topic, listener: (news: HubNews) => void): () => void
  stop(): Promise<void>
}

/** An attempt costs a refused connection; whoever is to be cancelled when the server is back waits for this. */
const retryMs = 250
/** A connection that died without a word is noticed by this. */
const probeMs = 30_000

export const createHub = ({ database, log }: { database: Database; log: WorkbenchLog }): Hub => {
  const listeners = new Map<string, Set<(news: HubNews) => void>>()
  let client: pg.Client | undefined
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  /** So that the log tells once that it is away. */
  let failures = 0

  const tell = (news: News): void => {
    for (const topic of [{ sessionId: news.session_id }, { userId: news.user_id }])
      for (const listener of listeners.get(keyOf(topic)) ?? []) listener(news)
  }
  const resync = (): void => {
    for (const group of listeners.values()) for (const listener of group) listener('resync')
  }

  const connect = async (): Promise<void> => {
    const fresh = await database.connect()
    fresh.on('notification', ({ payload }) => {
      for (const news of payload === undefined ? [] : readNews(payload)) tell(news)
    })
    fresh.on('end', () => lost(fresh))
    fresh.on('error', () => lost(fresh))
    await fresh.query(`listen ${newsChannel}`)
    if (stopped) return fresh.end()
    if (failures > 0) log.warn({ tries: failures + 1 }, 'news of sessions are heard again')
    failures = 0
    client = fresh
    probe(fresh)
    resync()
  }

  const probe = (current: pg.Client): void => {
    timer = setTimeout(() => {
      const silence = setTimeout(() => lost(current), probeMs).unref()
      current.query('select 1').then(
        () => {
          clearTimeout(silence)
          if (client === current) probe(current)
        },
        () => lost(current),
      )
    }, probeMs)
    timer.unref()
  }

  const lost = (gone: pg.Client): void => {
    if (stopped || client !== gone) return
    client = undefined
    clearTimeout(timer)
    log.warn({}, 'the connection for news of sessions was lost; connecting again')
    gone.end().catch(() => {})
    reconnect()
  }

  const reconnect = (): void => {
    if (stopped) return
    connect().catch((error: unknown) => {
      if (failures === 0) log.warn({ err: error }, 'no connection for news of sessions; trying until there is one')
      failures += 1
      timer = setTimeout(reconnect, retryMs)
    })
  }

  return {
    start: connect,
    subscribe: (topic, listener) => {
      const key = keyOf(topic)
      const group = listeners.get(key) ?? new Set()
      listeners.set(key, group.add(listener))
      return () => {
        group.delete(listener)
        if (group.size === 0 && listeners.get(key) === group) listeners.delete(key)
      }
    },
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      listeners.clear()
      await client?.end().catch(() => {})
    },
  }
}

const keyOf = (topic: Topic): string => ('userId' in topic ? `user:${topic.userId}` : topic.sessionId)
