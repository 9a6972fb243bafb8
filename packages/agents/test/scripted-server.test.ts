import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createScriptedModel, type ScriptedModel, type ScriptedRequest } from '../src/scripted/index.ts'

const key = 'a key of this test'
const lines: ScriptedRequest[] = []
let model: ScriptedModel

beforeAll(async () => {
  model = await createScriptedModel({ key, log: (line) => lines.push(line) })
})
afterAll(async () => {
  await model.close()
})

const post = (body: unknown, headers: Record<string, string> = { 'x-api-key': key }, path = '/v1/messages') =>
  fetch(`${model.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

const asking = (text: string, more: object = {}) => ({
  model: 'model-a',
  max_tokens: 100,
  messages: [{ role: 'user', content: text }],
  tools: [{ name: 'Bash' }],
  ...more,
})

const scripted = (steps: unknown[]) => `\`\`\`scripted\n${JSON.stringify(steps)}\n\`\`\``

describe('the scripted model over HTTP', () => {
  it('answers whole messages in the provider’s shape', async () => {
    const answer = await post(asking(scripted([{ say: 'Hello.' }])))
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'model-a',
      content: [{ type: 'text', text: 'Hello.' }],
      stop_reason: 'end_turn',
      usage: { output_tokens: 2 },
    })
  })

  it('streams the same message as events whose pieces add up to it', async () => {
    const steps = [{ think: 'Hm, 🎻.' }, { say: '🎼 '.repeat(50) }, { tool: 'Bash', input: { command: 'echo "ä"' } }]
    const body = asking(scripted(steps))
    const whole = (await (await post(body)).json()) as { content: object[]; usage: object }
    const events = (await (await post({ ...body, stream: true })).text())
      .split('\n\n')
      .filter((part) => part !== '')
      .map((part) => JSON.parse(part.replace(/^event: .*\ndata: /, '')))
    expect(events[0].type).toBe('message_start')
    expect(events.at(-1).type).toBe('message_stop')
    const pieces: Record<string, string>[] = []
    for (const { type, index, content_block, delta } of events) {
      if (type === 'content_block_start') pieces[index] = { ...content_block, all: '' }
      const piece = pieces[index]
      if (type === 'content_block_delta' && piece !== undefined) {
        piece.all += delta.text ?? delta.thinking ?? delta.partial_json ?? ''
      }
    }
    expect(pieces.map(({ all }) => all)).toEqual(['Hm, 🎻.', '🎼 '.repeat(50), '{"command":"echo \\"ä\\""}'])
    expect(events.filter(({ type }) => type === 'content_block_delta').length).toBeGreaterThan(4)
    expect(events.find(({ type }) => type === 'message_delta').usage).toEqual(whole.usage)
    expect(whole.content).toHaveLength(3)
  })

  it.each([
    ['without a key', {}],
    ['with another key', { 'x-api-key': 'something else' }],
    ['with another bearer token', { authorization: 'Bearer something else' }],
  ])('refuses a request %s', async (_name, headers: Record<string, string>) => {
    const answer = await post(asking('hello'), headers)
    expect(answer.status).toBe(401)
    expect(await answer.json()).toMatchObject({ type: 'error', error: { type: 'authentication_error' } })
  })

  it('takes the key as a bearer token too', async () => {
    expect((await post(asking('hello'), { authorization: `Bearer ${key}` })).status).toBe(200)
  })

  it('counts tokens', async () => {
    const answer = await post(asking('hello'), { 'x-api-key': key }, '/v1/messages/count_tokens')
    expect(await answer.json()).toEqual({ input_tokens: expect.any(Number) })
  })

  it.each([['not json'], [{ model: 'm' }], [{ messages: [] }], [{ model: 'm', messages: [] }], ['[]']])(
    'refuses the body %j with a reason',
    async (body) => {
      const answer = await post(body)
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } })
    },
  )

  it('knows no other address', async () => {
    const answer = await fetch(`${model.url}/v1/models`)
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } })
  })

  it('fails once where the script says so, in the provider’s words', async () => {
    const body = asking(scripted([{ fail: 529 }, { say: 'Back.' }]))
    const first = await post(body)
    expect(first.status).toBe(529)
    expect(await first.json()).toMatchObject({ error: { type: 'overloaded_error' } })
    expect((await post(body)).status).toBe(200)
  })

  it('logs requests without what was said in them', async () => {
    await (await post(asking('a secret word'))).text()
    expect(lines.at(-1)).toMatchObject({ status: 200, model: 'model-a', scenario: 'tour' })
    expect(JSON.stringify(lines)).not.toContain('secret word')
  })

  it('closes while an answer is still waiting', async () => {
    const other = await createScriptedModel({ key })
    const waiting = fetch(`${other.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': key },
      body: JSON.stringify(asking(scripted([{ delay_ms: 5_000 }]))),
    })
    const failure = expect(waiting).rejects.toThrow()
    await other.close()
    await failure
  })
})
