import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { reply } from '../src/scripted/index.ts'
import { type Message, play, prompt, request } from './conversations.ts'

const script = (steps: unknown, words = 'Do this.'): Message =>
  prompt(`${words}\n\`\`\`scripted\n${typeof steps === 'string' ? steps : JSON.stringify(steps)}\n\`\`\``)

const echo = (name: string, input: Record<string, unknown>) => `${name} ${JSON.stringify(input)}`

describe('a script in the prompt', () => {
  it('is played step by step, with what the tools answered', () => {
    const { calls, answer } = play(
      [
        script([
          { say: 'First.' },
          { tool: 'Bash', input: { command: 'ls' } },
          {
            tools: [
              { tool: 'Read', input: { file_path: 'a' } },
              { tool: 'Glob', input: { pattern: '*' } },
            ],
          },
          { say_last_result: true },
        ]),
      ],
      echo,
    )
    expect(calls.map(({ name }) => name)).toEqual(['Bash', 'Read', 'Glob'])
    expect(answer).toBe('Glob {"pattern":"*"}')
  })

  it('repeats a tool’s answer verbatim, without what the runtime added to it', () => {
    const { answer } = play([script([{ tool: 'Bash' }, { say_last_result: true }])], () => {
      return 'line one\nline two <b>\n\n<system-reminder>\nsecret\n</system-reminder>'
    })
    expect(answer).toBe('line one\nline two <b>')
  })

  it('may hold a prompt with a script of its own, for a sub-agent', () => {
    const inner = 'Go.\n```scripted\n[{"say":"inner"}]\n```'
    const { calls } = play([script([{ tool: 'Agent', input: { prompt: inner } }])], echo)
    expect(calls).toEqual([{ name: 'Agent', input: { prompt: inner } }])
    expect(play([prompt(inner)], echo).answer).toBe('inner')
  })

  it('fails once with the status it asks for, then goes on', () => {
    const asked = request([script([{ fail: 529 }, { say: 'Recovered.' }])])
    const first = reply(asked)
    expect(first).toMatchObject({ kind: 'error', status: 529 })
    const failed = first.kind === 'error' ? first.failure : ''
    expect(reply(asked, (failure) => failure === failed)).toMatchObject({
      kind: 'message',
      blocks: [{ type: 'text', text: 'Recovered.' }],
    })
  })

  it('fails again in another session with the same words', () => {
    const asked = (user: string) => reply(request([script([{ fail: 529 }])], { metadata: { user_id: user } }))
    const [one, other] = [asked('a'), asked('b')]
    expect(one.kind === 'error' && other.kind === 'error' && one.failure !== other.failure).toBe(true)
  })

  it('keeps a delay within bounds', () => {
    expect(reply(request([script([{ delay_ms: 9e9 }])])).delay_ms).toBeLessThanOrEqual(5_000)
    expect(reply(request([script([{ delay_ms: -5 }])])).delay_ms).toBe(0)
  })

  it.each([['not json'], ['{"say":"x"}'], ['[{"what":1}]'], ['[{"tools":[{"tool":"Bash"},{}]}]']])(
    'says what is wrong with %s',
    (source) => {
      expect(play([script(source)], echo).answer).toMatch(/scripted block/)
    },
  )

  it('is only the last prompt’s: an earlier one is not played again', () => {
    const first = play([script([{ tool: 'Bash' }, { say: 'one' }])], echo)
    const { calls, answer } = play([...first.messages, script([{ say: 'two' }])], echo)
    expect(calls).toEqual([])
    expect(answer).toBe('two')
  })
})

describe('any other prompt', () => {
  it('is answered with what is in the workspace, who answers, and how to get a real model', () => {
    const { calls, answer } = play([prompt('What is here?')], () => 'a.txt\nb.txt')
    expect(calls).toHaveLength(1)
    expect(answer).toContain('2 entries: a.txt, b.txt')
    expect(answer).toContain('scripted model')
    expect(answer).toContain('ANTHROPIC_API_KEY')
  })

  it('knows an empty workspace, for which the runtime has words of its own', () => {
    const { answer } = play([prompt('What is here?')], () => '(Bash completed with no output)')
    expect(answer).toContain('The workspace is empty.')
  })

  it('remembers the prompt before', () => {
    const first = play([prompt('My boat is called Petrel.')], () => 'a')
    expect(play([...first.messages, prompt('And now?')], () => 'a').answer).toContain('My boat is called Petrel.')
  })

  it('goes on after an interruption, where a call never got its result', () => {
    const cut: Message[] = [
      prompt('Wait.'),
      { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'Bash', input: {} }] },
      { role: 'user', content: [{ type: 'text', text: '[Request interrupted by user]' }] },
      prompt('Are you there?'),
    ]
    expect(play(cut, () => 'a').answer).toContain('Before this you wrote “Wait.”')
  })
})

describe('requests beside the conversation', () => {
  it('get a title, as JSON where that is asked for', () => {
    const messages = [prompt('Please count the words in the harbour guide and tell me')]
    expect(reply(request(messages, { tools: [] }))).toMatchObject({
      scenario: 'side',
      blocks: [{ type: 'text', text: 'Please count the words in the' }],
    })
    const json = reply(request(messages, { tools: [], output_config: { format: { type: 'json_schema' } } }))
    expect(
      json.kind === 'message' && json.blocks[0]?.type === 'text' && JSON.parse(json.blocks[0].text),
    ).toHaveProperty('title')
  })

  it('get a summary that names the prompts', () => {
    const messages = [
      prompt('Paint it blue.'),
      prompt('Your task is to create a detailed summary of the conversation.'),
    ]
    expect(play(messages, echo).answer).toContain('Paint it blue.')
  })
})

describe('every answer', () => {
  it('is the same for the same request, with ids that differ between requests', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (a, b) => {
        const [one, again, other] = [a, a, b].map((words) => reply(request([prompt(words)])))
        expect(again).toEqual(one)
        if (a !== b && one?.kind === 'message' && other?.kind === 'message') expect(other.id).not.toBe(one.id)
      }),
    )
  })

  it('has content and plausible usage, whatever the conversation', () => {
    const block = fc.oneof(
      fc.record({ type: fc.constant('text'), text: fc.string() }),
      fc.record({ type: fc.constant('tool_use'), id: fc.string(), name: fc.string(), input: fc.jsonValue() }),
      fc.record({ type: fc.constant('tool_result'), tool_use_id: fc.string(), content: fc.jsonValue() }),
      fc.jsonValue(),
    )
    const message = fc.record({
      role: fc.constantFrom('user', 'assistant'),
      content: fc.oneof(fc.string(), fc.array(block)),
    })
    fc.assert(
      fc.property(fc.array(message as fc.Arbitrary<Message>, { minLength: 1 }), (messages) => {
        const answered = reply(request(messages))
        if (answered.kind !== 'message') return
        expect(answered.blocks.length).toBeGreaterThan(0)
        expect(answered.usage.input_tokens).toBeGreaterThan(0)
        expect(answered.usage.output_tokens).toBeGreaterThan(0)
        expect(answered.stop_reason).toBe(
          answered.blocks.some(({ type }) => type === 'tool_use') ? 'tool_use' : 'end_turn',
        )
      }),
    )
  })
})
