/** A browser in the real sandbox: it has no network but its own loopback, and what it shows is kept outside. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventsOf } from './support/fake-backend.ts'
import { bash, createStage, type Stage, script } from './support/stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await createStage({ sandboxProcesses: 256 })
  await stage.start()
})
afterAll(() => stage.close())

it('a-page-served-in-the-sandbox-is-seen-and-its-picture-kept-outside', { timeout: 120_000 }, async () => {
  const serve =
    'mkdir -p site; echo "<h1>Low tide</h1>" > site/index.html; cd site; (setsid python3 -m http.server 8123 >/dev/null 2>&1 &); until python3 -c "import socket; socket.create_connection((\'127.0.0.1\', 8123))" 2>/dev/null; do :; done; echo up'
  const run = stage.backend.offer({
    prompt: script([
      bash(serve),
      { tool: 'mcp__browser__browser_navigate', input: { url: 'http://127.0.0.1:8123/' } },
      { tool: 'mcp__browser__browser_snapshot', input: {} },
      { say_last_result: true },
    ]),
    options: { runtime: 'claude', browser: true },
  })
  const end = await stage.finished(run)
  expect(end).toMatchObject({ outcome: 'completed', result: expect.stringContaining('Low tide') })
  const [picture] = eventsOf(run, 'screenshot')
  const { session_id, run_id } = run.claimed
  expect(picture?.key).toBe(`replays/local/${session_id}/${run_id}/${picture?.tool_use_id}.png`)
  expect((await stage.read(picture?.key ?? '')).slice(1, 4)).toBe('PNG')
  const changed = eventsOf(run, 'file_changes').at(-1)
  expect(changed?.file_changes.map(({ path }) => path)).toEqual(['site/index.html'])
})
