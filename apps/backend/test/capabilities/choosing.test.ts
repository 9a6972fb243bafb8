/** Which skills, servers, plugins and sub-agents a run gets, and what its preset says. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { code, data, giving, pathOf, type Sent, skill, unique } from '../support/giving.ts'
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

const { made, send, claim } = giving(() => own)

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
