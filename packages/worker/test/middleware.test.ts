import { expect, test } from 'vitest'
import { z } from 'zod'
import { InvalidInputError, type Middleware, skill } from '../src/index.ts'
import { aTask } from './support/fake-orchestrator.ts'
import { fakeOrchestrator, runningWorker, until } from './support/setup.ts'

const double = skill({ params: z.object({ n: z.number() }), run: ({ n }) => ({ n: n * 2 }) })

test('middleware goes around the work like the skins of an onion, and sees task and params', async () => {
  const server = await fakeOrchestrator()
  const seen: string[] = []
  const skin =
    (name: string): Middleware =>
    async ({ task, params }, next) => {
      seen.push(`${name} in ${task.skill} ${JSON.stringify(params)}`)
      const result = await next()
      seen.push(`${name} out ${JSON.stringify(result)}`)
      return result
    }
  await runningWorker(server, { skills: { double }, middleware: [skin('outer'), skin('inner')] })
  server.enqueue(aTask({ type: 'double', params: { n: 2 } }))
  await until(() => server.accepted.length === 1)
  expect(seen).toEqual(['outer in double {"n":2}', 'inner in double {"n":2}', 'inner out {"n":4}', 'outer out {"n":4}'])
})

test('it may change params and results, and fail the task', async () => {
  const server = await fakeOrchestrator()
  const change: Middleware = async ({ params }, next) => {
    const { n } = params as { n: number }
    if (n < 0) throw new InvalidInputError('too small')
    return { ...((await next({ n: n + 1 })) as object), changed: true }
  }
  await runningWorker(server, { skills: { double }, middleware: [change] })
  server.enqueue(aTask({ type: 'double', params: { n: 2 } }), aTask({ type: 'double', params: { n: -1 } }))
  await until(() => server.accepted.length === 2)
  expect(server.accepted.map(({ status, data, error }) => [status, data ?? error])).toEqual(
    expect.arrayContaining([
      ['success', { n: 6, changed: true }],
      ['failure', { code: 'INVALID_INPUT_ERROR', message: 'too small' }],
    ]),
  )
})
