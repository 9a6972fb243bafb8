import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ObjectStoreError } from '@tutti/objects'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readMeta } from '../src/stage/home.ts'
import { eventsOf, type FakeRun } from './support/fake-backend.ts'
import { bash, createStage, type Stage, script } from './support/stage.ts'

let stage: Stage

beforeEach(async () => {
  stage = await createStage()
})
afterEach(() => stage.close())

const snapshotOf = ({ finished }: FakeRun): string => {
  const stored = finished[0]?.export
  if (stored?.status !== 'ready') throw new Error('the export is not ready')
  return stored.manifest_key
}

it('a-conversation-goes-on-on-another-host-with-its-files-and-its-memory', async () => {
  const one = await stage.start()
  const first = stage.backend.offer({
    prompt: script([bash('echo one > one.txt; ln -s one.txt link'), { say: 'Made.' }]),
  })
  await stage.finished(first)
  await one.stop({ drainMs: 0 })
  const elsewhere = join(stage.root, 'elsewhere')
  // What it needs is away at first, and it does not give the run back for that.
  let refused = 0
  const objects = {
    ...stage.objects,
    get: async (...given: Parameters<typeof stage.objects.get>) => {
      if (refused === 4) return stage.objects.get(...given)
      refused += 1
      throw new ObjectStoreError('UNREACHABLE', 'the object store is away')
    },
  }
  await stage.start({ objects, config: { ...stage.config, workspaceRoot: elsewhere } })
  const agentSession = eventsOf(first, 'started')[0]?.agent_session_id ?? ''
  const second = stage.backend.offer({
    session_id: first.claimed.session_id,
    ...{ sdk_session_id: agentSession, snapshot_key: snapshotOf(first) },
    prompt: script([bash('cat link'), { say_last_result: true }]),
  })
  expect(await stage.finished(second)).toMatchObject({ outcome: 'completed', result: expect.stringContaining('one') })
  // Without its record the runtime would have begun another conversation.
  expect(eventsOf(second, 'started')[0]?.agent_session_id).toBe(agentSession)
  expect(existsSync(join(elsewhere, 'active/local', first.claimed.session_id, 'workspace/one.txt'))).toBe(true)
})

it('a-parked-turn-whose-files-died-with-its-host-is-said-again-on-another-one', async () => {
  const one = await stage.start()
  const first = stage.backend.offer({ prompt: script([{ say: 'Ready.' }]) })
  await stage.finished(first)
  const { session_id } = first.claimed
  const agentSession = eventsOf(first, 'started')[0]?.agent_session_id ?? ''
  const question = {
    question: 'Which colour?',
    header: 'Colour',
    multiSelect: false,
    options: ['red', 'blue'].map((label) => ({ label, description: label })),
  }
  const second = {
    ...{ session_id, sdk_session_id: agentSession, snapshot_key: snapshotOf(first), attended: true },
    permission_mode: 'bypassPermissions' as const,
    prompt: script([{ tool: 'AskUserQuestion', input: { questions: [question] } }, bash('echo two > two.txt')]),
  }
  const asked = stage.backend.offer(second)
  expect(await stage.finished(asked)).toMatchObject({ outcome: 'parked' })
  const [request] = eventsOf(asked, 'request')
  await one.stop({ drainMs: 0 })

  // Its snapshot was never told: the session's is that of the turn before.
  await stage.start({ config: { ...stage.config, workspaceRoot: join(stage.root, 'elsewhere') } })
  const answer = { tool_use_id: request?.tool_use_id ?? '', decision: 'allow' as const, message: 'blue' }
  const goesOn = { ...second, run_id: asked.claimed.run_id, continues: true, answers: [answer] }
  const again = stage.backend.offer({ ...goesOn, attempt: 2, attended: false })
  expect(await stage.finished(again)).toMatchObject({
    ...{
      outcome: 'completed',
      export: { files: expect.arrayContaining([expect.objectContaining({ path: 'two.txt' })]) },
    },
  })
  expect(eventsOf(again, 'started')[0]?.agent_session_id).toBe(agentSession)
})

it('what-a-cancelled-turn-did-is-stored, and its workspace is at rest then', async () => {
  await stage.start()
  const run = stage.backend.offer({ prompt: script([bash('echo half > half.txt; echo ready > ready; sleep 600')]) })
  const workspace = stage.workspaceOf(run)
  while (!existsSync(join(workspace, 'ready'))) await new Promise(setImmediate)
  run.canceling = true
  expect(await stage.finished(run)).toMatchObject({
    outcome: 'canceled',
    export: { status: 'ready', files: [{ path: 'half.txt' }, { path: 'ready' }] },
  })
  const folder = join(workspace, '..')
  let meta = await readMeta(folder)
  while (meta?.status !== 'idle') meta = await readMeta(folder)
  expect(meta).toMatchObject({ changed: false, stored_key: snapshotOf(run), session_id: run.claimed.session_id })
  expect(readdirSync(folder).sort()).toEqual(['known.json', 'logs', 'meta.json', 'staged', 'workspace'])
})
