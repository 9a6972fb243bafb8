/** What an operator asks of one host's workspaces, over HTTP, against a real manager with real sandboxes. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hostWorkspaces, liveFiles, workspaceArchived, workspaceStats } from '@tutti/contracts'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Manager } from '../src/app.ts'
import { eventsOf } from './support/fake-backend.ts'
import { bash, createStage, type Stage, script } from './support/stage.ts'

let stage: Stage
beforeEach(async () => {
  stage = await createStage()
})
afterEach(() => stage.close())

const ask = (manager: Manager, method: string, path: string, token: string | null = 'token-of-the-manager') =>
  fetch(`http://127.0.0.1:${manager.port()}/api/v1/workspace${path}`, {
    method,
    headers: token === null ? {} : { 'x-internal-token': token },
  })
const answer = async (manager: Manager, method: string, path: string) => {
  const response = await ask(manager, method, path)
  const { data } = (await response.json()) as { data: Record<string, unknown> }
  return { status: response.status, data }
}
const refused = (status: number, code: string) => ({ status, data: { code } })

it('none-of-it-is-told-or-done-without-the-token', async () => {
  const manager = await stage.start()
  const place = 'default/0c9d7b1e-52a4-4f0b-8e36-7a1f20c4d902'
  for (const [method, path] of [
    ['GET', '/stats'],
    ['GET', '/users/default'],
    ['POST', `/archive/${place}`],
    ['DELETE', `/${place}?force=true`],
    ['GET', `/files/${place}`],
    ['GET', `/file/${place}?path=a`],
  ] as const)
    for (const token of [null, 'token-of-the-manager2'])
      expect((await ask(manager, method, path, token)).status, `${method} ${path}`).toBe(403)
})

it('a-workspace-in-use-is-shown-as-it-is-now, and through no link that leads out of it', async () => {
  const manager = await stage.start()
  const run = stage.backend.offer({
    prompt: script([
      bash(
        'mkdir -p sub node_modules; echo one > sub/a.txt; echo hidden > .env; ln -s /etc/passwd passwd; ' +
          'ln -s / root; ln -s /etc sub/etc; echo x > node_modules/x; mkfifo pipe; echo ready; sleep 600',
      ),
    ]),
  })
  const workspace = stage.workspaceOf(run)
  await stage.backend.until(() => existsSync(join(workspace, 'pipe')) && eventsOf(run, 'tool_call').length === 1)
  const place = `${run.claimed.user_id}/${run.claimed.session_id}`
  const { data } = await answer(manager, 'GET', `/files/${place}`)
  expect(liveFiles.parse(data)).toMatchObject({ files: [{ path: 'sub/a.txt', size: 4 }], truncated: false })
  const file = await ask(manager, 'GET', `/file/${place}?path=/sub/a.txt`)
  expect(await file.text()).toBe('one\n')
  expect(file.headers.get('content-disposition')).toMatch(/^attachment; filename="a.txt"/)
  expect(file.headers.get('content-security-policy')).toContain('sandbox')
  for (const path of ['passwd', 'root/etc/passwd', 'sub/etc/passwd', '.env', 'node_modules/x', 'pipe', 'sub', 'none'])
    expect(await answer(manager, 'GET', `/file/${place}?path=${path}`), path).toMatchObject(
      refused(404, 'FILE_NOT_FOUND'),
    )
  for (const path of ['../meta.json', 'sub/../../meta.json', '.tutti/x', '', 'a%00b'])
    expect(await answer(manager, 'GET', `/file/${place}?path=${path}`), path).toMatchObject(
      refused(400, 'INVALID_QUERY'),
    )
  // Nor does a name of a user or a session lead anywhere.
  for (const other of [
    `..%2F${run.claimed.user_id}/${run.claimed.session_id}`,
    `${run.claimed.user_id}/..%2Fx`,
    '.%2E/x',
  ])
    expect((await ask(manager, 'GET', `/files/${other}`)).status, other).toBe(404)
})

it('a-workspace-is-not-removed-under-a-live-sandbox, unless forced: then the run is cancelled first', async () => {
  const manager = await stage.start()
  const run = stage.backend.offer({ prompt: script([bash('echo one > a.txt; sleep 600')]) })
  await stage.backend.until(() => existsSync(join(stage.workspaceOf(run), 'a.txt')))
  const { user_id, session_id } = run.claimed
  const place = `${user_id}/${session_id}`
  expect(await answer(manager, 'DELETE', `/${place}`)).toMatchObject(refused(409, 'SESSION_BUSY'))
  expect(await answer(manager, 'POST', `/archive/${place}`)).toMatchObject(refused(409, 'SESSION_BUSY'))
  expect(workspaceStats.parse((await answer(manager, 'GET', '/stats')).data)).toMatchObject({
    ...{ worker_id: 'test-host', users: 1, workspaces: 1, in_use: 1 },
  })
  expect(existsSync(join(stage.workspaceOf(run), 'a.txt'))).toBe(true)

  expect(await answer(manager, 'DELETE', `/${place}?force=true`)).toEqual({
    status: 200,
    data: { session_id, cancelled_runs: 1 },
  })
  const finished = await stage.finished(run)
  expect(finished).toMatchObject({ outcome: 'canceled', export: { status: 'ready' } })
  expect(existsSync(stage.workspaceOf(run))).toBe(false)
  expect(await answer(manager, 'DELETE', `/${place}`)).toMatchObject(refused(404, 'WORKSPACE_NOT_FOUND'))

  // What the turn had done is not lost: the session's next run finds it.
  const snapshot_key = finished.export?.status === 'ready' ? finished.export.manifest_key : null
  const next = stage.backend.offer({
    ...{ prompt: script([bash('cat a.txt > b.txt')]), session_id, user_id, snapshot_key },
  })
  expect(await stage.finished(next)).toMatchObject({ outcome: 'completed' })
  expect(existsSync(join(stage.workspaceOf(next), 'b.txt'))).toBe(true)
})

it('a-workspace-at-rest-is-packed-and-removed, and one that is not stored stays', async () => {
  const manager = await stage.start()
  const run = stage.backend.offer({ prompt: script([bash('echo one > a.txt')]) })
  expect(await stage.finished(run)).toMatchObject({ outcome: 'completed' })
  const { user_id, session_id } = run.claimed
  const place = `${user_id}/${session_id}`
  await vi.waitFor(async () => expect((await answer(manager, 'GET', '/stats')).data.in_use).toBe(0), {
    timeout: 10_000,
  })
  const packed = workspaceArchived.parse((await answer(manager, 'POST', `/archive/${place}`)).data)
  const names = execFileSync('tar', ['-tzf', join(stage.config.workspaceRoot, packed.path)], { encoding: 'utf8' })
  expect(names).toContain('workspace/a.txt')
  const { workspaces, archives } = hostWorkspaces.parse((await answer(manager, 'GET', `/users/${user_id}`)).data)
  expect(workspaces).toMatchObject([{ session_id, in_use: false, stored: true }])
  expect(archives).toMatchObject([{ session_id, size_bytes: packed.size_bytes }])
  expect(await answer(manager, 'DELETE', `/${place}`)).toMatchObject({ status: 200, data: { cancelled_runs: 0 } })
  expect(existsSync(stage.workspaceOf(run))).toBe(false)
  // A stranger has nothing here, and is told no more than that.
  expect((await answer(manager, 'GET', '/users/stranger')).data).toMatchObject({ workspaces: [], archives: [] })

  const unknown = join(stage.config.workspaceRoot, 'active', user_id, session_id, 'workspace')
  mkdirSync(unknown, { recursive: true })
  writeFileSync(join(unknown, 'only-here.txt'), 'x')
  symlinkSync('/etc', join(unknown, 'etc'))
  // Nothing is known of it, and it can be packed all the same.
  const archived = workspaceArchived.parse((await answer(manager, 'POST', `/archive/${place}`)).data)
  const packedNames = execFileSync('tar', ['-tzf', join(stage.config.workspaceRoot, archived.path)], {
    encoding: 'utf8',
  })
  expect(packedNames.trim().split('\n').sort()).toEqual(['workspace/', 'workspace/etc', 'workspace/only-here.txt'])
  expect(await answer(manager, 'DELETE', `/${place}`)).toMatchObject(refused(409, 'WORKSPACE_NOT_STORED'))
  expect(existsSync(join(unknown, 'only-here.txt'))).toBe(true)
  expect((await answer(manager, 'DELETE', `/${place}?force=true`)).status).toBe(200)
  expect([existsSync(unknown), existsSync('/etc/passwd')]).toEqual([false, true])
  mkdirSync(join(unknown, '..'), { recursive: true })
  expect(await answer(manager, 'POST', `/archive/${place}`)).toMatchObject(refused(404, 'WORKSPACE_NOT_FOUND'))
})
