import { expect, test } from 'vitest'
import { aTask } from './support/fake-orchestrator.ts'
import { fakeOrchestrator, newWorker, runningWorker, until } from './support/setup.ts'

test('a worker signs in once, and then its own token stays at home', async () => {
  const server = await fakeOrchestrator({ signIn: 'a-token' })
  await runningWorker(server, { shortLivedTokens: true })
  server.enqueue(aTask())
  await until(() => server.accepted.length === 1)
  expect(server.signIns).toEqual(['sign in'])
  expect(server.requests.filter(({ token }) => token === 'a-token').map(({ path }) => path)).toEqual([
    '/_worker/auth/token',
  ])
})

test('access-token-ends: it is refreshed once, whoever of the loops notices, and nothing is lost', async () => {
  const server = await fakeOrchestrator({ signIn: 'a-token', heartbeatSeconds: 0.01 })
  await runningWorker(server, { shortLivedTokens: true })
  await until(() => server.parkedPolls() === 1)
  server.endAccess()
  server.enqueue(aTask(), aTask())
  await until(() => server.accepted.length === 2)
  expect(server.signIns).toEqual(['sign in', 'refresh'])
})

test('refresh-token-ends: it signs in anew', async () => {
  const server = await fakeOrchestrator({ signIn: 'a-token', heartbeatSeconds: 0.01 })
  await runningWorker(server, { shortLivedTokens: true })
  server.endAccess()
  server.endRefresh()
  server.enqueue(aTask())
  await until(() => server.accepted.length === 1)
  expect(server.signIns).toEqual(['sign in', 'refresh', 'sign in'])
})

test('own-token-is-no-good: the worker ends and says so', async () => {
  const server = await fakeOrchestrator({ signIn: 'another' })
  await expect(newWorker(server, { shortLivedTokens: true }).start()).rejects.toThrow(/token/)
  expect(server.signIns).toEqual(['sign in'])
})
