/** What users and the operator give to agents, over real HTTP on a real PostgreSQL; runs are claimed as a manager claims them. */
import type { ClaimedRun, InputFile } from '@tutti/contracts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, createStage, internalToken, type Running, type Stage, upload } from '../support/stage.ts'

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

const operator = { 'x-internal-token': internalToken }
const data = <T = Record<string, unknown>>(answer: Answer): T => {
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return answer.body.data as T
}
const made = async (path: string, body: object, by = own): Promise<number> =>
  data<{ id: number }>(await by.post(`/api/v1${path}`, body)).id
const code = (answer: Answer): unknown => [answer.status, (answer.body.data as { code: string }).code]
const pathOf = (answer: Answer): unknown => (answer.body.data as { path?: string }).path

let count = 0
const unique = (name: string): string => {
  count += 1
  return `${name}${count}`
}

interface Sent {
  session_id: string
  run_id: string
}
const send = async (config: object, more: object = {}): Promise<Sent> =>
  data<Sent>(await own.post('/api/v1/tasks', { prompt: 'go', config, ...more }))
/** Claims, and ends the run, so that the next one of its session may come. */
const claim = async (run: Sent, status = 'claimed'): Promise<ClaimedRun> => {
  const body = { worker_id: 'manager-1', boot_id: 'boot-1', lease_seconds: 60, wait_seconds: 0 }
  for (let tries = 0; tries < 200; tries += 1) {
    const claimed = data<ClaimedRun | null>(await own.manage('/claim', body))
    if (claimed === null) {
      const view = data<{ status: string }>(await own.get(`/api/v1/runs/${run.run_id}`))
      if (view.status === status) return view as never
      continue
    }
    const held = { worker_id: 'manager-1', lease_token: claimed.lease_token, attempt: claimed.attempt }
    data(await own.manage(`/${claimed.run_id}/finish`, { ...held, outcome: 'completed', result: 'x' }))
    if (claimed.run_id === run.run_id) return claimed
  }
  throw new Error('the run could not be claimed')
}
const failure = async (run: Sent): Promise<string> => {
  const view = (await claim(run, 'failed')) as unknown as { last_error: string }
  return view.last_error
}
const skill = (name: string, more: object = {}) => ({
  files: [{ path: 'SKILL.md', content: `---\nname: ${name}\ndescription: The ${name}\n---\nDo it.` }],
  ...more,
})

describe('secrets', () => {
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
    expect(code(await own.send('PATCH', `/api/v1/env-vars/${id}`, { value: 'x' }))).toEqual([
      404,
      'CAPABILITY_NOT_FOUND',
    ])
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
})

describe('MCP servers', () => {
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
})

describe('toggles', () => {
  test('installed-and-enabled comes by itself, toggles decide for the session, and the next message keeps them', async () => {
    const [on, off, never] = [
      await made('/skills', skill(unique('on'))),
      await made('/skills', skill(unique('off'))),
      await made('/skills', skill(unique('never'))),
    ]
    const install = await made('/skill-installs', { skill_id: on })
    await made('/skill-installs', { skill_id: off, enabled: false })
    expect(code(await own.post('/api/v1/skill-installs', { skill_id: on }))).toEqual([409, 'CAPABILITY_EXISTS'])
    const idsOf = async (run: Sent) => (await claim(run)).config.skill_ids ?? []
    expect(await idsOf(await send({}))).toEqual([on])
    const first = await send({ skill_config: { [on]: false, [never]: true } })
    const claimed = await claim(first)
    expect(claimed.config).toMatchObject({ skill_ids: [never] })
    expect(claimed.config).not.toHaveProperty('skill_config')
    expect(claimed.staging.folders.map(({ path }) => path)).toEqual([
      expect.stringMatching(/^\.tutti\/claude\/skills\/never/),
    ])
    expect(await idsOf(await send({}, { session_id: first.session_id }))).toEqual([never])
    expect(await idsOf(await send({ skill_ids: null }, { session_id: first.session_id }))).toEqual([on])
    expect(data(await own.send('PATCH', '/api/v1/skill-installs/bulk', { enabled: false }))).toEqual({
      updated_count: 1,
    })
    expect(await idsOf(await send({}))).toEqual([])
    expect(data(await own.send('PATCH', `/api/v1/skill-installs/${install}`, { enabled: true }))).toMatchObject({
      ...{ enabled: true, skill_id: on },
    })
    await own.send('DELETE', `/api/v1/skills/${never}`, {})
    expect((await claim(await send({ skill_config: {} }, { session_id: first.session_id }))).config.skill_ids).toEqual([
      on,
    ])
    await own.send('PATCH', '/api/v1/skill-installs/bulk', { enabled: false })
  })

  test('a stranger’s skill, server, plugin or sub-agent is not there, by whichever way it is named', async () => {
    const theirs = await made('/skills', skill(unique('theirs')), strangers)
    const server = await made('/mcp-servers', { name: unique('t'), server_config: { command: 'x' } }, strangers)
    const agent = await made('/subagents', { name: unique('t'), description: 'd', prompt: 'p' }, strangers)
    for (const path of [
      `/skills/${theirs}`,
      `/skills/${theirs}/files`,
      `/mcp-servers/${server}`,
      `/subagents/${agent}`,
    ])
      expect(code(await own.get(`/api/v1${path}`))).toEqual([404, 'CAPABILITY_NOT_FOUND'])
    const tried: [object, string][] = [
      [{ skill_config: { [theirs]: true } }, `body.config.skill_config.${theirs}`],
      [{ skill_ids: [theirs] }, 'body.config.skill_ids.0'],
      [{ mcp_config: { [server]: true } }, `body.config.mcp_config.${server}`],
      [{ subagent_ids: [agent] }, 'body.config.subagent_ids.0'],
    ]
    for (const [config, path] of tried) {
      const answer = await own.post('/api/v1/tasks', { prompt: 'go', config })
      expect([code(answer), pathOf(answer)]).toEqual([[404, 'CAPABILITY_NOT_FOUND'], path])
    }
    expect(code(await own.post('/api/v1/skill-installs', { skill_id: theirs }))).toEqual([404, 'CAPABILITY_NOT_FOUND'])
    const preset = await own.post('/api/v1/presets', { name: unique('p'), skill_ids: [theirs] })
    expect([code(preset), pathOf(preset)]).toEqual([[404, 'CAPABILITY_NOT_FOUND'], 'body.skill_ids.0'])
    // And where a number slipped in past all checks, nothing of it is handed out.
    const run = await send({})
    await stage.database.query(`update workbench.runs set config = config || $2 where id = $1`, [
      run.run_id,
      { skill_ids: [theirs], mcp_server_ids: [server], subagent_ids: [agent] },
    ])
    const claimed = await claim(run)
    expect([claimed.staging.folders, claimed.options.mcp_servers, claimed.options.agents]).toEqual([
      [],
      undefined,
      undefined,
    ])
  })
})

describe('presets', () => {
  test('a preset is merged under the task: its model and agents, its numbers beside those, its template as instructions', async () => {
    const [a, b] = [await made('/skills', skill(unique('a'))), await made('/skills', skill(unique('b')))]
    const preset = await made('/presets', {
      ...{ name: unique('p'), prompt_template: 'Speak like a pilot.', model: 'm-preset', tools: ['Bash'] },
      ...{ skill_ids: [a], browser_enabled: true },
      subagent_configs: [
        { name: 'mate', description: 'd', prompt: 'of the preset', model: 'haiku' },
        { name: 'cook', description: 'd', prompt: 'of the preset' },
      ],
    })
    const first = await send({
      ...{ preset_id: preset, skill_config: { [b]: true }, instructions: 'Be short.', tools: ['Read'] },
      subagent_configs: [{ name: 'mate', description: 'd', prompt: 'of the task' }],
    })
    const { options, config } = await claim(first)
    expect(options).toMatchObject({
      ...{ model: 'm-preset', tools: ['Read'], browser: true, instructions: 'Speak like a pilot.\n\nBe short.' },
      agents: { mate: { prompt: 'of the task' }, cook: { prompt: 'of the preset' } },
    })
    expect(config).toMatchObject({ preset_id: preset, skill_ids: [a, b] })
    expect(JSON.stringify(config)).not.toContain('Speak like')
    const again = await claim(await send({ model: 'm-task' }, { session_id: first.session_id }))
    expect(again.options).toMatchObject({ model: 'm-task', instructions: 'Speak like a pilot.\n\nBe short.' })
    const none = await claim(await send({ preset_id: null }, { session_id: first.session_id }))
    expect([none.options.instructions, none.config.skill_ids]).toEqual(['Be short.', []])
    const replaced = await own.send('PUT', `/api/v1/presets/${preset}`, { name: unique('p') })
    expect(data(replaced)).toMatchObject({ prompt_template: null, skill_ids: [], browser_enabled: false })
  })

  test('a project’s preset and description reach the agent; a preset in use is not deleted', async () => {
    const preset = await made('/presets', { name: unique('p'), prompt_template: 'From the preset.' })
    const stranger = await made('/presets', { name: unique('p') }, strangers)
    const refused = await own.post('/api/v1/projects', { name: 'x', default_preset_id: stranger })
    expect(pathOf(refused)).toBe('body.default_preset_id')
    const project = data<{ project_id: string }>(
      await own.post('/api/v1/projects', {
        name: 'Harbour',
        description: 'All about tides.',
        default_preset_id: preset,
      }),
    )
    const { options } = await claim(await send({}, { project_id: project.project_id }))
    expect(options.instructions).toBe('About the project "Harbour":\n\nAll about tides.\n\nFrom the preset.')
    // Also where the session was made before anything was said in it.
    const { session_id } = data<Sent>(await own.post('/api/v1/sessions', { project_id: project.project_id }))
    const first = await claim(data<Sent>(await own.post('/api/v1/tasks', { prompt: 'go', session_id })))
    expect(first.options.instructions).toContain('From the preset.')
    const strange = await own.post('/api/v1/sessions', { config: { preset_id: stranger } })
    expect([...(code(strange) as unknown[]), pathOf(strange)]).toEqual([
      ...[404, 'CAPABILITY_NOT_FOUND', 'body.config.preset_id'],
    ])
    expect(code(await own.send('DELETE', `/api/v1/presets/${preset}`, {}))).toEqual([409, 'CAPABILITY_IN_USE'])
    data(await own.send('PATCH', `/api/v1/projects/${project.project_id}`, { default_preset_id: null }))
    data(await own.send('DELETE', `/api/v1/presets/${preset}`, {}))
  })
})

describe('commands, sub-agents and the text for all agents', () => {
  test('commands are staged as Markdown, in folders that hold nothing else', async () => {
    const name = unique('greet')
    const body = { name, description: 'Greets: politely', argument_hint: '[who]', content: 'Greet $ARGUMENTS.' }
    const id = await made('/slash-commands', body)
    const raw = unique('raw')
    await made('/slash-commands', { name: raw, raw_markdown: '---\ndescription: As it is\n---\nText' })
    for (const [sent, path] of [
      [{ name: 'clear', content: 'x' }, 'body.name'],
      [{ name: '..', content: 'x' }, 'body.name'],
      [{ name: 'a/b', content: 'x' }, 'body.name'],
      [{ name: unique('c') }, 'body.content'],
      [{ name: unique('c'), raw_markdown: '---\na: [\n---\nx' }, 'body.raw_markdown'],
    ] as const)
      expect(pathOf(await own.post('/api/v1/slash-commands', sent))).toBe(path)
    const { staging } = await claim(await send({}))
    const files = Object.fromEntries(staging.files.map((file) => [file.path, 'content' in file ? file.content : null]))
    expect(files[`.tutti/claude/commands/${name}.md`]).toBe(
      '---\ndescription: "Greets: politely"\nargument-hint: "[who]"\n---\nGreet $ARGUMENTS.',
    )
    expect(files[`.tutti/claude/commands/${raw}.md`]).toBe('---\ndescription: As it is\n---\nText')
    expect(staging.managed).toContain('.tutti/claude/commands')
    const suggested = data<{ name: string }[]>(await own.get('/api/v1/slash-commands/suggestions'))
    expect(suggested).toContainEqual({
      name,
      description: 'Greets: politely',
      argument_hint: '[who]',
      source: 'custom',
    })
    expect(suggested).toContainEqual(expect.objectContaining({ name: raw, description: 'As it is' }))
    data(await own.send('PATCH', `/api/v1/slash-commands/${id}`, { enabled: false }))
    expect(JSON.stringify((await claim(await send({}))).staging.files)).not.toContain(name)
    expect(code(await strangers.get(`/api/v1/slash-commands/${id}`))).toEqual([404, 'CAPABILITY_NOT_FOUND'])
  })

  test('sub-agents: structured ones with their model, raw ones as they are, and only under their own name', async () => {
    const [mate, cook] = [unique('mate'), unique('cook')]
    const structured = await made('/subagents', {
      name: mate,
      description: 'd',
      prompt: 'p',
      tools: ['Read'],
      model: 'haiku',
    })
    const text = `---\nname: ${cook}\ndescription: Cooks\nmodel: haiku\n---\nCook.`
    const raw = await made('/subagents', { name: cook, raw_markdown: text })
    const other = await own.post('/api/v1/subagents', { name: unique('x'), raw_markdown: text })
    expect(pathOf(other)).toBe('body.raw_markdown')
    expect(pathOf(await own.post('/api/v1/subagents', { name: unique('x'), prompt: 'p' }))).toBe('body.description')
    const { options, staging, config } = await claim(await send({}))
    expect(options.agents).toEqual({ [mate]: { description: 'd', prompt: 'p', tools: ['Read'], model: 'haiku' } })
    expect(staging.files).toContainEqual({ path: `.tutti/claude/agents/${cook}.md`, content: text })
    expect(config.subagent_ids).toEqual([structured, raw])
    data(await own.send('PATCH', `/api/v1/subagents/${structured}`, { enabled: false }))
    await own.send('DELETE', `/api/v1/subagents/${raw}`, {})
    expect((await claim(await send({}))).options.agents).toBeUndefined()
  })

  test('the text for all agents is staged while it is on, and empty when it is not', async () => {
    const staged = async () =>
      (await claim(await send({}))).staging.files.find(({ path }) => path.endsWith('CLAUDE.md'))
    expect(await staged()).toMatchObject({ content: '' })
    data(await own.send('PUT', '/api/v1/claude-md', { content: 'Never on a Friday.' }))
    expect(await staged()).toMatchObject({ content: 'Never on a Friday.' })
    expect(data(await strangers.get('/api/v1/claude-md'))).toMatchObject({ content: '', updated_at: null })
    data(await own.send('PUT', '/api/v1/claude-md', { content: 'Never on a Friday.', enabled: false }))
    expect(await staged()).toMatchObject({ content: '' })
    expect(data(await own.send('DELETE', '/api/v1/claude-md', {}))).toMatchObject({ content: '', enabled: false })
  })
})

test('files of a message are told to the agent, not stored with the message; addresses are cloned beside them', async () => {
  const plan = data<InputFile>(await upload(own, 'plan.txt', 'one, two, go', 'text/plain'))
  const input_files = [plan, { type: 'url', name: 'lib', source: 'https://example.org/a/lib/tree/next/x' }]
  const run = await send({ input_files })
  const claimed = await claim(run)
  expect(claimed.prompt).toBe(
    'The user has sent these files along; they lie in the workspace:\n- inputs/plan.txt (text/plain, 12 bytes)\n- inputs/lib (a clone of https://example.org/a/lib/tree/next/x)\n\ngo',
  )
  expect(claimed.staging.repositories).toEqual([
    { url: 'https://example.org/a/lib', branch: 'next/x', path: 'inputs/lib', token: null, shallow: true },
  ])
  const messages = await own.get(`/api/v1/sessions/${run.session_id}/messages`)
  expect(JSON.stringify(messages.body)).not.toContain('sent these files along')
  const command = await claim(
    data<Sent>(await own.post('/api/v1/tasks', { prompt: '/greet', config: { input_files } })),
  )
  expect([command.prompt, command.options.instructions]).toEqual([
    '/greet',
    expect.stringContaining('- inputs/plan.txt'),
  ])
})
