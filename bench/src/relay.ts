/** A streamed answer of the model through the relay, beside the same answer without it: what stands between an agent and its first word. */

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { createRelay, defaultSettings, onSocket } from '@tutti/executor-manager'
import { silentLogger } from '@tutti/telemetry'
import { type Figure, figure } from './measure.ts'
import { scratchFolder } from './scratch.ts'

const body = JSON.stringify({
  model: 'm',
  max_tokens: 10,
  stream: true,
  messages: [{ role: 'user', content: 'x'.repeat(20_000) }],
})
const pieces = 200

export const relay = (quick: boolean): Promise<Figure[]> =>
  scratchFolder(async (folder) => {
    const provider = createServer(async (incoming, response) => {
      incoming.resume()
      await once(incoming, 'end')
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const usage = { input_tokens: 5, output_tokens: 1 }
      response.write(`data: ${JSON.stringify({ type: 'message_start', message: { usage } })}\n\n`)
      for (let n = 0; n < pieces; n += 1) {
        response.write(
          `data: ${JSON.stringify({ type: 'content_block_delta', delta: { text: 'word '.repeat(10) } })}\n\n`,
        )
        await new Promise(setImmediate)
      }
      response.end(`data: ${JSON.stringify({ type: 'message_delta', usage: { output_tokens: pieces * 10 } })}\n\n`)
    }).listen(0, '127.0.0.1')
    await once(provider, 'listening')
    const address = provider.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const socketPath = join(folder, 'relay.sock')
    const token = randomUUID()
    const opened = await createRelay({
      ...{
        ...defaultSettings,
        listen: onSocket(socketPath, defaultSettings.requestMs),
        token,
        rateLimitWaitMs: 0,
        log: silentLogger,
      },
      model: {
        name: 'm',
        routeOf: () => ({ provider: 'bench', baseUrl: `http://127.0.0.1:${port}`, headers: {} }),
        costOf: () => null,
      },
    })
    opened.assign({
      turn: {
        ...{ run_id: randomUUID(), session_id: randomUUID(), attempt: 1, runtime: 'claude', prompt: 'x', model: 'm' },
        permission_mode: 'default',
      },
      intake: { take: unused, final: never, refused: never, idle: unused },
      commands: { after: unused },
      screenshot: unused,
      // The decision about a budget is measured where it is made; here it is free.
      account: {
        ...{
          begin: async () => ({ n: 1 }),
          end: () => {},
          limitedUntil: () => {},
          halted: never,
          halt: () => undefined,
        },
        ...{ spent: unused, work: () => {}, close: async () => {} },
      },
      egress: [],
    })
    const samples = {
      direct: { first: [] as number[], all: [] as number[] },
      relayed: { first: [] as number[], all: [] as number[] },
    }
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    try {
      for (let n = 0; n < (quick ? 50 : 400); n += 1) {
        await measure(samples.direct, () =>
          httpRequest({ port, host: '127.0.0.1', path: '/v1/messages', method: 'POST', headers }),
        )
        await measure(samples.relayed, () =>
          httpRequest({
            ...{ socketPath, path: '/model/v1/messages', method: 'POST' },
            headers: { ...headers, authorization: `Bearer ${token}` },
          }),
        )
      }
    } finally {
      await opened.close()
      provider.closeAllConnections()
      provider.close()
    }
    const warm = (all: number[]): number[] => all.slice(10)
    return [
      figure('relay: first byte, without', 'ms', warm(samples.direct.first)),
      figure('relay: first byte, through it', 'ms', warm(samples.relayed.first)),
      figure(`relay: answer of ${pieces} pieces, without`, 'ms', warm(samples.direct.all)),
      figure(`relay: answer of ${pieces} pieces, through it`, 'ms', warm(samples.relayed.all)),
    ]
  })

const measure = async (
  into: { first: number[]; all: number[] },
  ask: () => ReturnType<typeof httpRequest>,
): Promise<void> => {
  const began = performance.now()
  const outgoing = ask()
  outgoing.end(body)
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  await once(answer, 'readable')
  into.first.push(performance.now() - began)
  let events = 0
  for await (const chunk of answer.setEncoding('utf8')) events += String(chunk).split('\n\n').length - 1
  if (events !== pieces + 2) throw new Error(`${events} events came`)
  into.all.push(performance.now() - began)
}

const never = new Promise<never>(() => {})
const unused = (): never => {
  throw new Error('not part of this measurement')
}
