/**
 * A server that is started while something is away that it can't do without (a database, a bucket) waits for it: after a power cut all
 * of them start at once, in any order. Until then it says so in the log, and answers 503 on its port to whoever asks for its health.
 * After a while it gives up and ends: by then a supervisor that counts restarts should call somebody.
 */
import { createServer, type Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { backoffDelayMs } from '@tutti/contracts/backoff'
import type { Logger } from './logger.ts'

export interface StartWait {
  /**
   * What `attempt` answers, which is repeated while its failure is one that passes.
   * @param part in words for an operator
   * @throws what the last attempt threw, as soon as it is nothing that passes or time is over
   */
  until<T>(part: string, attempt: () => Promise<T>): Promise<T>
  /** The port is the server's own again; called before it listens, and when the start has failed. */
  end(): Promise<void>
}

export interface StartWaitOptions {
  service: string
  /** Where the server will listen. */
  host: string
  port: number
  /** For how long, over all parts; 0: whatever is away fails the start. */
  seconds: number
  /** Whether another attempt may help, after nobody has changed anything here. */
  isAway: (error: unknown) => boolean
  log: Logger
}

/** Never long: what is started beside this server is there in a moment, and work stands still for as long as this one is not. */
const pauses = { firstMs: 100, maxMs: 500 }
const tellEveryMs = 60_000

export const createStartWait = (options: StartWaitOptions): StartWait => {
  const { service, host, port, seconds, isAway, log } = options
  const began = performance.now()
  let waitingFor = ''
  let server: Server | undefined

  const answer = (): string => {
    const waited_seconds = Math.round((performance.now() - began) / 1000)
    return JSON.stringify({
      ...{ code: 50300, message: `starting: waiting for ${waitingFor}` },
      // What is wrong with it is for the log: anybody may ask here, and the reason names addresses of this network.
      data: { service, status: 'starting', waiting_for: waitingFor, waited_seconds, retryable: true },
    })
  }
  const listen = (): void => {
    if (server !== undefined) return
    server = createServer((_, response) => {
      response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '2' }).end(answer())
    })
    // A port that is taken is the server's own fault, and it says so itself when it listens.
    server.on('error', () => {})
    server.listen(port, host)
  }

  const until: StartWait['until'] = async (part, attempt) => {
    let lastTold = Number.NEGATIVE_INFINITY
    for (let tries = 1; ; tries += 1) {
      try {
        const result = await attempt()
        if (tries > 1) log.info({ part, tries }, 'what the start waited for is there')
        return result
      } catch (error) {
        const waitedMs = performance.now() - began
        if (!isAway(error) || waitedMs >= seconds * 1000) throw error
        waitingFor = part
        listen()
        if (waitedMs - lastTold >= tellEveryMs) {
          log.warn(
            { part, fault: reasonOf(error), give_up_seconds: Math.round(seconds - waitedMs / 1000) },
            `the start waits for ${part}`,
          )
          lastTold = waitedMs
        }
        await delay(Math.min(backoffDelayMs(pauses, tries, Math.random()), Math.max(0, seconds * 1000 - waitedMs)))
      }
    }
  }
  return {
    until,
    end: async () => {
      const listening = server
      server = undefined
      if (!listening?.listening) return
      listening.closeAllConnections()
      await new Promise((resolve) => listening.close(resolve))
    },
  }
}

/** An error, and what caused it: “can't be reached” alone tells nobody where. */
export const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const own = error.message || String((error as { code?: unknown }).code ?? error.name)
  const cause = error.cause === undefined ? '' : reasonOf(error.cause)
  return cause === '' || own.includes(cause) ? own : `${own}: ${cause}`
}
