/**
 * The process inside the sandbox: fetches turns from the relay, runs them with the agent runtime, sends back what
 * happens. Only light modules are loaded before the first request for work: a cold run waits for it. One that was started
 * ahead asks when everything is loaded: whoever sees it ask knows that a turn begins at once.
 */
import { join } from 'node:path'
import type { MemoryCall, Turn } from '@tutti/contracts'
import { takeEnvironment } from './environment.ts'
import { exitCode } from './exit.ts'
import { log } from './log.ts'
import { createRelay, type NextTurn, relayPlace } from './relay.ts'

const run = async (): Promise<number> => {
  const environment = takeEnvironment(process.env)
  const workspace = environment.WORKSPACE_PATH
  const address = { ...relayPlace(environment.TUTTI_RELAY), token: environment.TUTTI_RELAY_TOKEN }

  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // The second time nobody waits for what is still to be handed over.
      if (stop.signal.aborted) process.exit(exitCode.failed)
      stop.abort()
    })
  }

  const relay = createRelay(address)
  const ask = (asked?: () => void): Promise<NextTurn> => {
    const turn = relay.nextTurn(stop.signal, asked)
    // Awaited in `serve`; until then a stop must not count as an unhandled fault.
    turn.catch(() => {})
    return turn
  }
  let first: Promise<NextTurn> | undefined
  if (environment.TUTTI_AHEAD === undefined) {
    const asked = Promise.withResolvers<void>()
    first = ask(asked.resolve)
    // Loading blocks the process: begun before the request has left, it would hold the request back by a tenth of a second.
    await asked.promise
  }

  const [
    { browserExecutable, createAcpRuntime, createClaudeRuntime },
    { createObserve },
    { createEgressProxy },
    { createForwarder },
    { serve },
  ] = await Promise.all([
    import('@tutti/agents'),
    import('./changes/observe.ts'),
    import('./egress.ts'),
    import('./forwarder.ts'),
    import('./serve.ts'),
  ])
  const [forwarder, egress] = await Promise.all([createForwarder(address), createEgressProxy(address)])
  const browser = browserExecutable()
  const env = { ...process.env, ...egress.env, HOME: process.env.HOME ?? workspace }
  const memory = ({ run_id }: Turn, call: MemoryCall) => relay.memory(run_id, call)
  const runtime = createClaudeRuntime({
    executable: environment.TUTTI_CLAUDE_EXECUTABLE,
    baseUrl: forwarder.url,
    authToken: forwarder.token,
    cwd: workspace,
    configDir: join(workspace, '.tutti', 'claude'),
    ...(browser === undefined
      ? {}
      : {
          browser: {
            ...{ executable: browser, viewport: { width: 1366, height: 768 } },
            store: ({ run_id }, toolUseId, png) => relay.screenshot(run_id, toolUseId, png),
          },
        }),
    memory,
    rests: true,
    env,
  })
  const acp = createAcpRuntime({ cwd: workspace, baseUrl: forwarder.url, authToken: forwarder.token, env, memory })
  const observe = createObserve({ workspace, ignore: process.env.WORKSPACE_GIT_IGNORE ?? '', env: process.env })
  const ahead = environment.TUTTI_AHEAD !== undefined
  await runtime.prepare({ ahead }).catch((error: unknown) => {
    log('warn', 'the runtime could not be started ahead', {
      error: error instanceof Error ? error.message : String(error),
    })
  })
  try {
    return await serve(first ?? ask(), { relay, runtimes: [runtime, acp], observe, stop: stop.signal })
  } finally {
    await runtime.discard?.()
    relay.close()
    forwarder.close()
    egress.close()
  }
}

run().then(
  (code) => process.exit(code),
  (error: unknown) => {
    log('error', 'the executor failed', { error: error instanceof Error ? error.message : String(error) })
    process.exit(exitCode.failed)
  },
)
