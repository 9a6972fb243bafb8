/** `tutti job …`, `tutti schedule …` and `tutti worker`, as a person types them. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { personWithStack, worker } from './support/person.ts'
import { run, tutti } from './support/processes.ts'
import { scratch } from './support/scratch.ts'

test('a job from the terminal: started, worked on, approved, watched, listed, cancelled', async () => {
  const { folder, stack, types } = await personWithStack()
  const file = join(folder, 'worker.ts')
  await writeFile(file, worker)
  await writeFile(join(folder, 'input.json'), '{"name": "Ada"}')

  const first = await types('job', 'start', 'greeting', '--input', `@${join(folder, 'input.json')}`)
  expect([first.code, first.stderr]).toEqual([0, ''])
  const { job_id } = JSON.parse(first.stdout) as { job_id: string }
  expect((await types('job', 'list')).stdout).toMatch(new RegExp(`^${job_id}  waiting_for_worker +greeting +greet `))

  const watching = tutti(['job', 'watch', job_id], { TUTTI_DATA_DIR: join(folder, 'data') })
  const working = tutti(['worker', file], {
    ORCHESTRATOR_URL: stack.apiUrl,
    WORKER_TOKEN: stack.workerToken,
    WORKER_ID: 'greeter',
  })
  await watching.prints(/approval_requested/)
  expect(await types('job', 'approve', job_id, 'perhaps')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^.*\n→ Use one of the decisions .*\n$/),
  })
  expect((await types('job', 'approve', job_id)).code).toBe(0)
  expect((await watching.ended).code).toBe(0)
  expect(watching.stdout()).toMatch(/^ +1 .*job_created[\s\S]*greeter[\s\S]*job_finished.*\n$/m)
  expect(JSON.parse((await types('job', 'show', job_id)).stdout)).toMatchObject({
    status: 'finished',
    result: { greeting: 'Hello, Ada' },
  })
  const rest = await types('job', 'watch', job_id, '--since', '3')
  expect(rest.stdout).toMatch(/^ +4 /)
  working.kill('SIGTERM')
  expect((await working.ended).code).toBe(0)

  const second = await types('job', 'start', 'greeting', '--input', '{"name":"Bob"}')
  const { job_id: idle } = JSON.parse(second.stdout) as { job_id: string }
  expect((await types('job', 'explain', idle)).stdout).toMatch(
    /^It waits for the task .* of the skill greet, try 1 of \d+\.\ngreet, try 1: .*\n {2}greeter /,
  )
  expect(await types('job', 'cancel', idle)).toMatchObject({ code: 0, stdout: `${idle} cancelled\n` })
  expect(await types('job', 'approve', idle)).toMatchObject({ code: 1, stdout: '' })
  expect((await types('job', 'list', '--limit', '1')).stdout.trim().split('\n')).toHaveLength(1)

  // What was cancelled begins anew; then it is held, let go, forked, and removed.
  const again = await types('job', 'retry', idle, '--json')
  const { job_id: retried } = JSON.parse(again.stdout) as { job_id: string }
  expect(await types('job', 'pause', retried)).toMatchObject({ code: 0, stdout: `${retried} paused\n` })
  expect((await types('job', 'list', '--status', 'paused')).stdout).toMatch(new RegExp(`^${retried}  paused `))
  expect((await types('job', 'resume', retried)).stdout).toBe(`${retried} waiting_for_worker\n`)
  expect((await types('job', 'event', retried, 'noted', '--data', '{"n":1}')).code).toBe(0)
  const fork = await types('job', 'fork', retried, '--state', 'greet', '--input', '{"name":"Eve"}')
  expect(fork.stdout).toMatch(/^[0-9a-f-]{36}\n$/)
  const listed = JSON.parse((await types('job', 'list', '--json', '--blueprint', 'greeting')).stdout)
  expect(listed[0]).toMatchObject({ id: fork.stdout.trim(), input: { name: 'Eve' } })
  expect(await types('job', 'remove', retried)).toMatchObject({ code: 1, stderr: expect.stringContaining('Cancel') })
  await types('job', 'cancel', retried)
  expect(await types('job', 'remove', retried)).toMatchObject({ code: 0, stdout: '' })
  expect(await types('job', 'show', retried)).toMatchObject({ code: 1, stdout: '' })

  const spec = '{"blueprint":"greeting","cron":"30 9 * * mon-fri"}'
  expect((await types('schedule', 'put', 'morning', spec)).stdout).toMatch(/^morning +\S+ +greeting +\d{4}-/)
  expect((await types('schedule', 'next', 'morning', '--count', '3')).stdout.trim().split('\n')).toHaveLength(3)
  expect((await types('schedule', 'pause', 'morning')).stdout).toMatch(/ paused/)
  expect((await types('schedule', 'resume', 'morning')).stdout).not.toMatch(/ paused/)
  expect((await types('schedule', 'trigger', 'morning')).stdout).toMatch(/^[0-9a-f-]{36}\n$/)
  expect(JSON.parse((await types('schedule', 'list', '--json')).stdout)).toMatchObject([
    { name: 'morning', source: 'api' },
  ])
  expect((await types('schedule', 'remove', 'morning')).code).toBe(0)
  expect(await types('schedule', 'show', 'morning')).toMatchObject({ code: 1, stdout: '' })

  expect(await types('job', 'start', 'nothing')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('GET /api/v1/blueprints lists what is loaded'),
  })
  stack.kill('SIGTERM')
  expect((await stack.ended).code).toBe(0)
})

test('a worker needs no token where a certificate or each orchestrator’s own says who it is', async () => {
  const own = { ORCHESTRATORS_CONFIG: '[{"url":"http://127.0.0.1:1","token":"t"}]' }
  const { code, stderr } = await run(['worker', 'package.json'], own)
  // It came as far as the file, which is none.
  expect([code, stderr]).toEqual([expect.any(Number), expect.not.stringContaining('WORKER_TOKEN')])
  expect(code).not.toBe(0)
})

test('jobs need an orchestrator only', async () => {
  const { code, stderr } = await run(['job', 'list'], {
    TUTTI_DATA_DIR: join(await scratch(), 'data'),
    TUTTI_API_URL: 'http://127.0.0.1:1',
    TUTTI_CLIENT_TOKEN: 't',
  })
  expect(code).toBe(1)
  expect(stderr).toMatch(/^GET http:\/\/127\.0\.0\.1:1\/api\/v1\/jobs /)
})
