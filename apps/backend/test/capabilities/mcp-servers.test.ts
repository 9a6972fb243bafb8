/** Servers of the Model Context Protocol, as users and the operator keep them and as runs get them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { code, data, giving, operator, pathOf, unique } from '../support/giving.ts'
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

test('bare and wrapped are one, the type follows, and what is no server is refused with its path', async () => {
  const name = unique('bare')
  const bare = await own.post('/api/v1/mcp-servers', { name, server_config: { command: 'node', args: ['a'] } })
  expect(data(bare)).toMatchObject({
    server_config: { mcpServers: { [name]: { type: 'stdio', command: 'node', args: ['a'] } } },
  })
  const wrapped = unique('wrapped')
  const config = { mcpServers: { [wrapped]: { url: `https://\${HOST:-example.org}/mcp` } } }
  expect(data(await own.post('/api/v1/mcp-servers', { server_config: config }))).toMatchObject({
    name: wrapped,
    server_config: { mcpServers: { [wrapped]: { type: 'http', url: `https://\${HOST:-example.org}/mcp` } } },
  })
  const refused: [unknown, string][] = [
    [{ type: 'sse', url: 'https://a.b' }, 'body.server_config.type'],
    [{ mcpServers: {} }, 'body.server_config.mcpServers'],
    [{ mcpServers: { a: { command: 'x' }, b: { command: 'x' } } }, 'body.server_config.mcpServers'],
    [{ mcpServers: { 'a b': { command: 'x' } } }, 'body.server_config.mcpServers.a b'],
    [{ command: '' }, 'body.server_config.command'],
    [{ command: 'x', env: { A: 1 } }, 'body.server_config.env.A'],
    [{ url: 'http://example.org/mcp' }, 'body.server_config.url'],
    [{ url: 'file:///etc/passwd' }, 'body.server_config.url'],
    [{}, 'body.server_config'],
  ]
  for (const [server_config, path] of refused) {
    const answer = await own.post('/api/v1/mcp-servers', { name: unique('no'), server_config })
    expect([code(answer), pathOf(answer)]).toEqual([[400, 'INVALID_BODY'], path])
  }
  const reserved = await own.post('/api/v1/mcp-servers', { name: 'browser', server_config: { command: 'x' } })
  expect(pathOf(reserved)).toBe('body.name')
})

test('a user can’t make what is everybody’s; the operator’s is seen, used, and only the operator’s to change', async () => {
  const name = unique('sys')
  const body = { name, server_config: { url: 'https://mcp.example.org:8443/x' } }
  expect(code(await own.post('/api/v1/mcp-servers', { ...body, scope: 'system' }))).toEqual([403, 'FORBIDDEN'])
  expect(code(await own.post('/api/v1/internal/mcp-servers', body))).toEqual([403, 'FORBIDDEN'])
  const { id } = data<{ id: number }>(await own.post('/api/v1/internal/mcp-servers', body, operator))
  expect(data(await strangers.get(`/api/v1/mcp-servers/${id}`))).toMatchObject({
    scope: 'system',
    owner_user_id: null,
  })
  expect(code(await own.send('PATCH', `/api/v1/mcp-servers/${id}`, { name: 'mine' }))).toEqual([403, 'FORBIDDEN'])
  expect((await claim(await send({}))).options.mcp_servers ?? {}).not.toHaveProperty(name)
  const claimed = await claim(await send({ mcp_config: { [id]: true } }))
  expect(claimed.needed_hosts).toContainEqual({ host: 'mcp.example.org:8443', server: name, granted: true })
  // Of a user, the same host is only asked for.
  const mine = { mcp_servers: { own: { type: 'http', url: 'https://mcp.example.org:8443/x' } } }
  expect((await claim(await send(mine))).needed_hosts).toContainEqual(
    expect.objectContaining({ server: 'own', granted: false }),
  )
})

test('a host that a user’s secret decides is not granted, though the server is the operator’s', async () => {
  const key = unique('HOST_')
  const body = { name: unique('led'), server_config: { url: `https://\${${key}}/x`, headers: { a: 'b' } } }
  const { id } = data<{ id: number }>(await own.post('/api/v1/internal/mcp-servers', body, operator))
  await made('/env-vars', { key, value: 'evil.example' })
  const claimed = await claim(await send({ mcp_config: { [id]: true } }))
  expect(claimed.needed_hosts).toEqual([{ host: 'evil.example', server: body.name, granted: false }])
})

test('a filled address that is none fails the run without showing what it was filled with', async () => {
  const key = unique('URL_')
  await made('/env-vars', { key, value: 'http://hidden.example' })
  const error = await failure(await send({ mcp_servers: { s: { type: 'http', url: `\${${key}}/mcp` } } }))
  expect(error).toContain('INVALID_MCP_SERVER')
  expect(error).not.toContain('hidden')
})
