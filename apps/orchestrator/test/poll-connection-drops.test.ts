import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Engine, HeldTask, LeasedTask } from '@tutti/engine'
import type { FastifyReply } from 'fastify'
import { expect, test } from 'vitest'
import { handOver } from '../src/http/hand-over.ts'
import { createShrink, globalWorkerToken, startServer, type TestServer, until } from './support/server.ts'

/** A poll on a socket that the test can cut. */
const poll = async (server: TestServer, worker: string) => {
  const socket = connect(server.port, '127.0.0.1')
  socket.write(
    `GET /_worker/workers/${worker}/tasks/next HTTP/1.1\r\nHost: x\r\nX-Worker-Token: ${globalWorkerToken}\r\n\r\n`,
  )
  return { cut: () => socket.destroy() }
}

const connections = (server: TestServer): Promise<number> =>
  new Promise((resolve, reject) =>
    server.app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  )

test('poll-connection-drops-after-task-was-chosen: the task goes to the next worker, as its first try', async () => {
  const chosen = Promise.withResolvers<LeasedTask[]>()
  const gone = Promise.withResolvers<void>()
  const server = await startServer({
    engine: (engine) => ({
      ...engine,
      take: async (request) => {
        if (request.worker !== 'unlucky') return engine.take(request)
        // The worst moment: the Store has chosen, nobody has been told, and the signal came too late to matter.
        const { signal: _, ...deaf } = request
        const leases = await engine.take(deaf)
        chosen.resolve(leases)
        await gone.promise
        return leases
      },
    }),
  })
  await server.worker('unlucky')
  await server.worker('lucky')
  const id = await createShrink(server)
  const unlucky = await poll(server, 'unlucky')
  expect(await chosen.promise).toHaveLength(1)
  const before = await connections(server)
  unlucky.cut()
  await until(async () => (await connections(server)) < before)
  gone.resolve()

  const { status, body } = await server.work('GET', '/workers/lucky/tasks/next')
  expect([status, body.job_id, body.attempt]).toEqual([200, id, 1])
})

test('a poll that was left before there was a task takes none', async () => {
  const parked = Promise.withResolvers<AbortSignal>()
  const server = await startServer({
    engine: (engine) => ({
      ...engine,
      take: (request) => {
        if (request.worker === 'unlucky' && request.signal) parked.resolve(request.signal)
        return engine.take(request)
      },
    }),
  })
  await server.worker('unlucky')
  await server.worker('lucky')
  const unlucky = await poll(server, 'unlucky')
  const signal = await parked.promise
  unlucky.cut()
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
  const id = await createShrink(server)
  const { body } = await server.work('GET', '/workers/lucky/tasks/next')
  expect(body.job_id).toBe(id)
})

test('hand-over: given back unless the whole answer went out', () => {
  const leases = [{ token: 'a' }] as LeasedTask[]
  const outcome = (raw: Partial<ServerResponse>, events: string[]) => {
    const released: HeldTask[][] = []
    const engine: Pick<Engine, 'release'> = { release: async (held) => void released.push(held) }
    const emitter = Object.assign(new EventEmitter(), raw)
    handOver(engine, { raw: emitter } as unknown as FastifyReply, leases, () => {})
    for (const event of events) emitter.emit(event)
    return released
  }
  expect(outcome({ destroyed: true, writableFinished: false }, [])).toEqual([leases])
  expect(outcome({ destroyed: false, writableFinished: false }, ['close'])).toEqual([leases])
  expect(outcome({ destroyed: false, writableFinished: true }, ['close'])).toEqual([])
})
