/** Secrets, over real HTTP on a real PostgreSQL; runs are claimed as a manager claims them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { code, data, giving, operator, unique } from '../support/giving.ts'
import { createStage, type Running, type Stage } from '../support/stage.ts'

let stage: Stage
/** Of two users. */
let own: Running
let strangers: Running
beforeAll(async () => {
  stage = await createStage()
  own = await stage.backend()
  strangers = await stage.backend({ userId: 'stranger' })
})
afterAll(() => stage.close())

const { made, send, claim, failure } = giving(() => own)

test('a-secret-goes-in-and-never-comes-out, in no answer, table, job or log of a session', async () => {
  const key = unique('TOKEN_')
  const value = 'sesame-that-nobody-may-see'
  const created = await own.post('/api/v1/env-vars', { key, value, description: 'of the port' })
  expect(data(created)).toMatchObject({ key, is_set: true, scope: 'user', user_id: 'default' })
  const id = (created.body.data as { id: number }).id
  const patched = await own.send('PATCH', `/api/v1/env-vars/${id}`, { value: `${value}2` })
  const server = await made('/mcp-servers', {
    name: unique('s'),
    server_config: { command: 'x', env: { A: `\${${key}}` } },
  })
  const run = await send({ mcp_config: { [server]: true } })
  const claimed = await claim(run)
  expect(Object.values(claimed.options.mcp_servers ?? {})).toEqual([
    { type: 'stdio', command: 'x', env: { A: `${value}2` } },
  ])
  const shown = [
    ...[created, patched, await own.get('/api/v1/env-vars'), await own.get('/api/v1/mcp-servers')],
    ...[await own.get(`/api/v1/sessions/${run.session_id}`), await own.get(`/api/v1/runs/${run.run_id}`)],
    await own.get(`/api/v1/sessions/${run.session_id}/events`),
    await stage.engine.job(run.run_id, null),
    claimed.config,
    await stage.database.query('select row_to_json(r) from workbench.runs r where id = $1', [run.run_id]),
    await stage.database.query('select row_to_json(v) from workbench.env_vars v'),
    (await stage.database.query<{ sealed: Buffer }>('select sealed from workbench.env_vars')).map(({ sealed }) =>
      sealed.toString('latin1'),
    ),
  ]
  expect(JSON.stringify(shown)).not.toContain('sesame')
})

test('reserved names are nobody’s, the scope of the system is not a user’s, and a name is taken once', async () => {
  for (const key of ['ANTHROPIC_API_KEY', 'anthropic_auth_token', 'SECRET_KEY', 'DATABASE_URL', 'TUTTI_X'])
    expect(code(await own.post('/api/v1/env-vars', { key, value: 'v' }))).toEqual([400, 'INVALID_BODY'])
  const system = await own.post('/api/v1/env-vars', { key: 'MINE', value: 'v', scope: 'system' })
  expect(code(system)).toEqual([403, 'FORBIDDEN'])
  expect(code(await own.post('/api/v1/internal/system-env-vars', { key: 'MINE', value: 'v' }))).toEqual([
    403,
    'FORBIDDEN',
  ])
  const key = unique('ONCE_')
  await made('/env-vars', { key, value: 'v' })
  expect(code(await own.post('/api/v1/env-vars', { key, value: 'v' }))).toEqual([409, 'CAPABILITY_EXISTS'])
  expect(data(await strangers.post('/api/v1/env-vars', { key, value: 'v' }))).toMatchObject({ user_id: 'stranger' })
})

test('a stranger’s secret can neither be seen, changed, deleted, nor named in a server', async () => {
  const key = unique('THEIRS_')
  const id = await made('/env-vars', { key, value: 'v' }, strangers)
  expect(JSON.stringify((await own.get('/api/v1/env-vars')).body)).not.toContain(key)
  expect(code(await own.send('PATCH', `/api/v1/env-vars/${id}`, { value: 'x' }))).toEqual([404, 'CAPABILITY_NOT_FOUND'])
  const gone = await fetch(`${own.address}/api/v1/env-vars/${id}`, { method: 'DELETE' })
  expect(gone.status).toBe(404)
  const run = await send({ mcp_servers: { s: { command: 'x', env: { A: `\${${key}}` } } } })
  expect(await failure(run)).toBe(
    `SECRET_MISSING: The MCP server "s" needs the secret ${key} in env.A, and none of this name is set`,
  )
})

test('the operator’s secret is used where it is shared, is never shown, and the user’s own beats it', async () => {
  const key = unique('SHARED_')
  const config = { mcp_servers: { s: { command: 'x', args: [`--t=\${env:${key}}`] } } }
  const created = await own.post('/api/v1/internal/system-env-vars', { key, value: 'of-the-system' }, operator)
  const { id } = data<{ id: number }>(created)
  expect(await failure(await send(config))).toContain(`needs the secret ${key} in args[0]`)
  const shared = await own.send('PATCH', `/api/v1/internal/system-env-vars/${id}`, { shared: true }, operator)
  expect(data(shared)).toMatchObject({ shared: true, scope: 'system', is_set: true })
  const args = async () => (await claim(await send(config))).options.mcp_servers?.s
  expect(await args()).toMatchObject({ args: ['--t=of-the-system'] })
  await made('/env-vars', { key, value: 'my-own' })
  expect(await args()).toMatchObject({ args: ['--t=my-own'] })
  expect(JSON.stringify([shared, await own.get('/api/v1/internal/system-env-vars', operator)])).not.toContain(
    'of-the-system',
  )
  expect(code(await own.send('PATCH', `/api/v1/env-vars/${id}`, { value: 'x' }))).toEqual([403, 'FORBIDDEN'])
})

test('the process’s own environment and provider keys can’t be had by naming them', async () => {
  process.env.OF_THE_PROCESS = 'no'
  await stage.database.query(
    `insert into workbench.env_vars (user_id, key, key_id, sealed, shared)
     select null, 'ANTHROPIC_API_KEY', key_id, sealed, true from workbench.env_vars limit 1`,
  )
  for (const key of ['OF_THE_PROCESS', 'PATH', 'ANTHROPIC_API_KEY'])
    expect(await failure(await send({ mcp_servers: { s: { command: `\${${key}}` } } }))).toContain('SECRET_MISSING')
  delete process.env.OF_THE_PROCESS
})

test('the token of a repository is that of the secret it names; without, no sandbox is started', async () => {
  const key = unique('GIT_')
  const config = { repo_url: 'https://example.org/a/b.git', git_token_env_key: key }
  expect(await failure(await send(config))).toContain(`needs the secret ${key} (git_token_env_key)`)
  await made('/env-vars', { key, value: 'git-token' })
  const claimed = await claim(await send(config))
  expect(claimed.staging.repositories).toMatchObject([{ path: 'b', token: 'git-token', shallow: false }])
  expect(JSON.stringify(claimed.config)).not.toContain('git-token')
})
