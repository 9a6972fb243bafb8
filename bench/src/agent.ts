/**
 * A turn through everything (backend, queue, manager, sandbox, executor, relay) beside the same turn of the bare SDK, in
 * one run, with the scripted model: the difference is what Tutti adds. Twice: with sandboxes that are started ahead, and
 * without.
 */
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createClaudeRuntime, resolveClaudeExecutable } from '@tutti/agents'
import { createScriptedModel } from '@tutti/agents/scripted'
import { createWorkbench } from '@tutti/client'
import type { ExecutorLoad } from '@tutti/contracts'
import { type Figure, figure, timed } from './measure.ts'
import { scratchFolder } from './scratch.ts'
import { type ScratchStack, startScratchStack } from './stack.ts'

const prompt = '```scripted\n[{"tool":"Bash","input":{"command":"echo hello"}},{"say":"done"}]\n```\n'

export const agent = (quick: boolean): Promise<Figure[]> =>
  scratchFolder(async (folder) => {
    const stack = await startScratchStack(join(folder, 'data'))
    const without = await startScratchStack(join(folder, 'without'), { SANDBOX_POOL: '0' })
    const model = await createScriptedModel({ key: 'bench' })
    const whole: number[] = []
    const started: number[] = []
    const next: number[] = []
    const bare: number[] = []
    let hits = 0
    try {
      const workbench = createWorkbench({ url: stack.backendUrl, token: stack.clientToken })
      const other = createWorkbench({ url: without.backendUrl, token: without.clientToken })
      for (let n = 0; n < (quick ? 4 : 12); n += 1) {
        let session = ''
        await filled(stack)
        whole.push(
          await timed(async () => {
            session = await throughTutti(workbench)
          }),
        )
        next.push(await timed(() => nextTurn(workbench, session)))
        started.push(await timed(() => throughTutti(other)))
        bare.push(await timed(async () => bareTurn(model.url, await mkdtemp(join(folder, 'bare-')))))
      }
      hits = await hitRate(stack)
    } finally {
      await model.close()
      await Promise.all([stack.stop(), without.stop()])
    }
    const added = (all: number[]): number[] => all.map((ms, n) => ms - (bare[n] ?? 0)).slice(1)
    return [
      figure('agent: turn of the bare SDK', 'ms', bare.slice(1)),
      figure('agent: the same turn through Tutti, message to exported, started ahead', 'ms', whole.slice(1)),
      figure('agent: what Tutti adds, pair by pair, started ahead', 'ms', added(whole)),
      figure('agent: the same turn in a sandbox that is started for it', 'ms', started.slice(1)),
      figure('agent: what Tutti adds, pair by pair, started for it', 'ms', added(started)),
      figure('agent: the session’s next turn, in the sandbox that was kept', 'ms', next.slice(1)),
      figure('agent: what Tutti adds to it, pair by pair', 'ms', added(next)),
      figure('agent: sessions that found a sandbox started ahead', '%', [hits]),
    ]
  })

const pooled = async ({ managerUrl }: ScratchStack): Promise<ExecutorLoad['pooled_sandboxes']> => {
  const answer = (await (await fetch(`${managerUrl}/health`)).json()) as {
    data: Pick<ExecutorLoad, 'pooled_sandboxes'>
  }
  return answer.data.pooled_sandboxes
}

/** As a session finds it that comes after a pause. */
const filled = async (stack: ScratchStack): Promise<void> => {
  while ((await pooled(stack)).ready === 0) await delay(20)
}

const hitRate = async (stack: ScratchStack): Promise<number> => {
  const { hits, misses } = await pooled(stack)
  return (100 * hits) / (hits + misses)
}

/** A first turn, as somebody watches it who waits for its end. Returns the session. */
const throughTutti = async (workbench: ReturnType<typeof createWorkbench>): Promise<string> => {
  const { session_id } = await workbench.tasks.create({ prompt, permission_mode: 'bypassPermissions' })
  const done = new AbortController()
  for await (const { type, data } of workbench.sessions.stream(session_id, { signal: done.signal })) {
    if (type !== 'session.status') continue
    if (data.status === 'failed') throw new Error('the run failed')
    if (data.status === 'completed') break
  }
  done.abort()
  return session_id
}

/** By its run: the news of the session tell of the turns before, too. */
const nextTurn = async (workbench: ReturnType<typeof createWorkbench>, session_id: string): Promise<void> => {
  const { run_id } = await workbench.tasks.create({ session_id, prompt, permission_mode: 'bypassPermissions' })
  for (;;) {
    const { status, last_error } = await workbench.runs.get(String(run_id))
    if (status === 'completed') return
    if (status === 'failed') throw new Error(`the next turn failed: ${last_error}`)
    await delay(10)
  }
}

const bareTurn = async (baseUrl: string, cwd: string): Promise<void> => {
  const configDir = join(cwd, '.claude')
  await mkdir(configDir)
  const runtime = createClaudeRuntime({
    executable: resolveClaudeExecutable(),
    baseUrl,
    authToken: 'bench',
    cwd,
    configDir,
    env: { PATH: process.env.PATH ?? '', HOME: cwd },
  })
  const turn = {
    run_id: crypto.randomUUID(),
    session_id: crypto.randomUUID(),
    attempt: 1,
    runtime: 'claude',
    prompt,
    model: 'scripted',
    permission_mode: 'bypassPermissions',
  } as const
  let last = ''
  for await (const event of runtime.start(turn, { signal: new AbortController().signal })) last = event.type
  if (last !== 'done') throw new Error(`the bare turn ended with ${last}`)
}
