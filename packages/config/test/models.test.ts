import { describe, expect, it } from 'vitest'
import { budgetDefaults, ConfigError, loadBackend, loadManager } from '../src/index.ts'

const manager = {
  BACKEND_URL: 'http://b:8000',
  INTERNAL_API_TOKEN: 'internal-token-of-tests',
  WORKSPACE_ROOT: '/srv/w',
}
const load = (env: Record<string, string>) => loadManager({ ...manager, ...env })
const faultsOf = (env: Record<string, string>): string[] => {
  try {
    load(env)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.faults.map(({ variable, what }) => `${variable}: ${what}`)
  }
}

describe('models and their providers', () => {
  it('go by an explicit name first, then by the operator’s patterns, then by the built-in ones', () => {
    const { models } = load({
      MODEL_LIST: '["claude-sonnet-4-5","glm-4.6","MiniMax-M2","deepseek-chat","gpt-5","claude-own"]',
      MODEL_PROVIDERS: JSON.stringify([
        { id: 'wide', base_url: 'https://w.example/', models: ['gpt-*', 'claude-o*'] },
        { id: 'exact', base_url: 'https://e.example', api_key_env: 'E_KEY', auth: 'bearer', models: ['glm-4.6'] },
      ]),
      E_KEY: 'e',
    })
    const servedBy = models.models.map((model) => [model, models.providerOf(model)?.id])
    expect(servedBy).toEqual([
      ['claude-sonnet-4-20250514', 'anthropic'],
      ['claude-sonnet-4-5', 'anthropic'],
      ['glm-4.6', 'exact'],
      ['MiniMax-M2', 'minimax'],
      ['deepseek-chat', 'deepseek'],
      ['gpt-5', 'wide'],
      ['claude-own', 'wide'],
    ])
    expect(models.providerOf('glm-4.6')).toMatchObject({ key: 'e', auth: 'bearer', baseUrl: 'https://e.example' })
  })

  it('a model that nobody serves is refused at start with what to do, not dropped', () => {
    expect(faultsOf({ MODEL_LIST: '["qwen-3","claude-x","kimi"]' })).toEqual([
      'MODEL_LIST: MODEL_LIST names "qwen-3", and no provider serves it',
      'MODEL_LIST: MODEL_LIST names "kimi", and no provider serves it',
    ])
    expect(faultsOf({ DEFAULT_MODEL: 'qwen-3' })).toHaveLength(1)
    // A gateway decides itself.
    expect(faultsOf({ MODEL_LIST: '["qwen-3"]', ANTHROPIC_BASE_URL: 'http://gateway:4000' })).toEqual([])
  })

  it('a model that nobody serves is told together with whatever else is wrong, and no fault follows from another', () => {
    const names = (env: Record<string, string>) => faultsOf(env).map((text) => text.split(':')[0])
    expect(names({ MODEL_LIST: '["qwen-3"]', MAX_CONCURRENT_TASKS: 'many', RUN_TIMEOUT_SECONDS: '-1' }).sort()).toEqual(
      ['MAX_CONCURRENT_TASKS', 'MODEL_LIST', 'RUN_TIMEOUT_SECONDS'],
    )
    // Whether somebody serves it could only be told from the list of providers.
    expect(names({ MODEL_LIST: '["qwen-3"]', MODEL_PROVIDERS: 'not json' })).toEqual(['MODEL_PROVIDERS'])
    expect(() => loadBackend({ MODEL_LIST: '["qwen-3"]' })).toThrow(
      expect.objectContaining({
        faults: expect.arrayContaining([
          expect.objectContaining({ variable: 'MODEL_LIST' }),
          expect.objectContaining({ variable: 'INTERNAL_API_TOKEN' }),
        ]),
      }),
    )
  })

  it.each([
    ['MODEL_LIST', 'claude-x'],
    ['MODEL_LIST', '[""]'],
    ['MODEL_PROVIDERS', '{}'],
    ['MODEL_PROVIDERS', '[{"id":"x","base_url":"ftp://x","models":["a"]}]'],
    ['MODEL_PROVIDERS', '[{"id":"x","base_url":"http://x","models":["a"],"api_key":"sk-1"}]'],
    ['MODEL_PROVIDERS', '[{"id":"glm","base_url":"http://x","models":["a"]}]'],
    ['MODEL_PRICES', '{"a":{"input":-1,"output":1}}'],
    ['MODEL_PRICES', '{"a":{"input":1}}'],
  ])('%s=%s is refused', (name, value) => {
    expect(faultsOf({ [name]: value })).toEqual([expect.stringMatching(`^${name}: `)])
  })

  it('two providers under one id are refused', () => {
    const provider = { id: 'x', base_url: 'http://x', models: ['a'] }
    expect(faultsOf({ MODEL_PROVIDERS: JSON.stringify([provider, provider]) })).toHaveLength(1)
  })

  it('what may be asked is what is listed and what the patterns allow', () => {
    const { models } = load({ MODEL_LIST: '["glm-4.6"]', ALLOWED_MODELS: 'claude-haiku-*' })
    const allowed = ['glm-4.6', 'claude-haiku-4-5', 'glm-4.5', 'claude-opus-4-5'].map((model) => models.allowed(model))
    expect(allowed).toEqual([true, true, false, false])
    expect(models.listed('claude-haiku-4-5')).toBe(false)
  })

  it('prices: the operator’s, the provider’s, the list’s, and none is not nothing', () => {
    const { models } = load({
      MODEL_LIST: '["glm-4.6","own-1","gpt-5"]',
      MODEL_PRICES: '{"glm-*":{"input":0.6,"output":2.2},"glm-4.6":{"input":0.5,"output":2,"cache_read":0.11}}',
      MODEL_PROVIDERS: JSON.stringify([
        { id: 'o', base_url: 'http://o', models: ['own-*', 'gpt-*'], prices: { 'own-1': { input: 1, output: 2 } } },
      ]),
    })
    expect(models.priceOf('glm-4.6')).toEqual({ input: 0.5, output: 2, cacheWrite: 0.625, cacheRead: 0.11 })
    expect(models.priceOf('glm-4.5')).toMatchObject({ input: 0.6 })
    expect(models.priceOf('own-1')).toMatchObject({ input: 1, output: 2 })
    expect(models.priceOf('claude-sonnet-4-5')).toMatchObject({ input: 3, output: 15 })
    expect(models.priceOf('gpt-5')).toBeUndefined()
  })

  it('a chosen model whose provider has no key is warned of', () => {
    const warned = (env: Record<string, string>) => load(env).warnings.map(({ variable }) => variable)
    expect(warned({})).toEqual(['ANTHROPIC_AUTH_TOKEN'])
    expect(warned({ ANTHROPIC_AUTH_TOKEN: 'x' })).toEqual([])
    expect(warned({ ANTHROPIC_AUTH_TOKEN: 'x', MODEL_LIST: '["glm-4.6"]' })).toEqual(['GLM_API_KEY'])
  })
})

it('budgets are the limits that are set', () => {
  const { config } = loadBackend({
    ...{
      DATABASE_URL: 'postgresql://h/d',
      INTERNAL_API_TOKEN: 'internal-token-of-tests',
      SECRET_KEY: 'key-of-tests-'.repeat(3),
      STORAGE: 'postgres',
      HOST: '127.0.0.1',
    },
    ...{ BUDGET_USER_MONTH_USD: '12.5', BUDGET_RUN_TOKENS: '1000' },
  })
  expect(budgetDefaults(config)).toEqual([
    { scope: 'run', period: 'total', variable: 'BUDGET_RUN_TOKENS', limits: { tokens: 1000 } },
    { scope: 'user', period: 'month', variable: 'BUDGET_USER_MONTH_USD', limits: { cost_usd: 12.5 } },
  ])
})
