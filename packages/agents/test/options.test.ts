import type { Turn } from '@tutti/contracts'
import { describe, expect, it } from 'vitest'
import { sdkOptions } from '../src/claude/options.ts'

const turn = (more: Partial<Turn> = {}): Turn => ({
  run_id: '00000000-0000-4000-8000-000000000001',
  session_id: '00000000-0000-4000-8000-000000000002',
  attempt: 1,
  runtime: 'claude',
  prompt: 'hello',
  model: 'model-a',
  permission_mode: 'default',
  ...more,
})

const config = {
  executable: '/opt/claude',
  baseUrl: 'http://127.0.0.1:1',
  authToken: 'placeholder',
  cwd: '/workspace',
  configDir: '/workspace/.tutti/claude',
  env: {
    PATH: '/bin',
    ANTHROPIC_API_KEY: 'a real key',
    ANTHROPIC_BASE_URL: 'https://elsewhere',
    CLAUDE_CODE_USE_BEDROCK: '1',
    CLAUDECODE: '1',
    TUTTI_RELAY_TOKEN: 'secret',
  },
}

describe('what the runtime is started with', () => {
  it('passes no key, no other provider and no relay token on, whatever the environment holds', () => {
    const { env } = sdkOptions(turn(), config)
    expect(JSON.stringify(env)).not.toMatch(/real key|elsewhere|BEDROCK|secret/)
    expect(env).toMatchObject({
      PATH: '/bin',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:1',
      ANTHROPIC_AUTH_TOKEN: 'placeholder',
      CLAUDE_CONFIG_DIR: '/workspace/.tutti/claude',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      IS_SANDBOX: '1',
    })
  })

  it('loads settings of the workspace and what was staged as the user’s, never the machine’s', () => {
    expect(sdkOptions(turn(), config).settingSources).toEqual(['user', 'project'])
    expect(sdkOptions(turn(), config).env).toMatchObject({ CLAUDE_CONFIG_DIR: '/workspace/.tutti/claude' })
  })

  it('passes on what the turn asks for and leaves out what it does not', () => {
    const asked = sdkOptions(turn({ resume: 's-1', instructions: 'Be brief.', tools: ['Read'], max_turns: 4 }), config)
    expect(asked).toMatchObject({ resume: 's-1', tools: ['Read'], maxTurns: 4, systemPrompt: { append: 'Be brief.' } })
    const plain = sdkOptions(turn(), config)
    expect(Object.keys(plain)).not.toContain('resume')
    expect(Object.keys(plain)).not.toContain('maxTurns')
    expect(plain.tools).toContain('Bash')
    expect(plain.tools).not.toContain('AskUserQuestion')
  })
})
