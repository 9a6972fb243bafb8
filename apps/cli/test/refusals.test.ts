/** What `tutti` won't do: the exit code, the sentence, no stack, and nothing left running. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { processesOf, run } from './support/processes.ts'
import { folderOf, freshDatabase, importable, scratch } from './support/scratch.ts'
import { anyPorts, takenPort } from './support/stack.ts'

const refusal = async (
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; said: string }> => {
  const folder = await scratch()
  const { code, stdout, stderr } = await run([...args, '--data-dir', join(folder, 'data')], {
    LOG_LEVEL: 'ERROR',
    ...env,
  })
  expect(processesOf(folder)).toEqual([])
  expect(stderr).not.toMatch(/^ +at /m)
  expect(stdout).toBe('')
  return { code, said: stderr.trim() }
}

test('up: docker, where no engine answers', async () => {
  const { code, said } = await refusal(['up', ...anyPorts, '--storage', 'memory', '--sandbox', 'docker'], {
    DOCKER_HOST: 'unix:///nonexistent/docker.sock',
  })
  expect(code).toBe(3)
  expect(said).toContain('no container engine answers')
})

test('a port that is in use: which, what for, and the way out', async () => {
  const { port, free } = await takenPort()
  const { code, said } = await refusal(['up', ...anyPorts, '--port', String(port)])
  await free()
  expect(code).toBe(2)
  expect(said).toBe(
    `port ${port} (backend) is in use: stop what uses it, choose another with --port, or take any with --port 0`,
  )
})

test.each([
  ['up', '--sandbox'],
  ['demo', '--storage'],
])('%s: a kind (%s) that nobody knows', async (command, option) => {
  const { code, said } = await refusal([command, option, 'paper'])
  expect(code).toBe(1)
  expect(said).toMatch(new RegExp(`option '${option} <kind>' argument 'paper' is invalid. Allowed choices are`))
})

const withDatabase = async (): Promise<Record<string, string>> => ({ DATABASE_URL: await freshDatabase() })

const brokenBlueprint = `import { blueprint } from ${importable('@tutti/engine')}
export default blueprint({ name: 'errand', version: 1 })
  .state('leave', { start: true, to: ['nowhere'] }, ({ goTo }) => goTo('nowhere'))
  .end('home')
`

test('a blueprint with an unknown state is named, with the state', async () => {
  const blueprints = await folderOf(await scratch(), { 'errand.ts': brokenBlueprint })
  const { code, said } = await refusal(['up', ...anyPorts, '--blueprints', blueprints], await withDatabase())
  expect(code).toBe(2)
  expect(said).toMatch(/errand.*nowhere/)
})

test('a folder of blueprints that there is not', async () => {
  const { code, said } = await refusal(['up', ...anyPorts, '--blueprints', '/none/such'], await withDatabase())
  expect(code).toBe(2)
  expect(said).toContain('/none/such')
})

test('a clients.toml with a fault is named, with the line', async () => {
  const file = join(await scratch(), 'clients.toml')
  await writeFile(file, '[client_one]\ntoken = "t0k3n-of-client-one"\nplan = 5\n')
  const { code, said } = await refusal(['up', ...anyPorts], { ...(await withDatabase()), CLIENTS_CONFIG_PATH: file })
  expect(code).toBe(2)
  expect(said).toContain(`${file}:3`)
})

test.each([[[]], [['--split']]])('a database that is not there (%j)', async (more) => {
  const { port, free } = await takenPort()
  await free()
  const { code, said } = await refusal(['up', ...anyPorts, ...more], {
    DATABASE_URL: `postgres://somebody:pa55word@127.0.0.1:${port}/tutti`,
  })
  expect(code).toBe(3)
  expect(said).toContain(`127.0.0.1:${port}`)
  expect(said).toContain('DATABASE_URL')
  expect(said).not.toContain('pa55word')
})

test.each([[[]], [['--split']]])('no bwrap on this machine: how to get it (%j)', async (more) => {
  const { code, said } = await refusal(['up', ...anyPorts, ...more], { ...(await withDatabase()), PATH: '/none/such' })
  expect(code).toBe(3)
  expect(said).toMatch(/bwrap.*apt-get install bubblewrap/s)
})
