/** What users write for their agents: commands, sub-agents, the text for all of them; and the files of a message. */
import type { InputFile } from '@tutti/contracts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { code, data, giving, pathOf, type Sent, unique } from '../support/giving.ts'
import { createStage, type Running, type Stage, upload } from '../support/stage.ts'

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
