import { modelCatalogue } from '@tutti/config'
import { modelsView } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { claimNew, createStage, holder, internalToken, type Running, type Stage } from './support/stage.ts'

let stage: Stage
let backend: Running

const models = modelCatalogue(
  {
    ...{ anthropicAuthToken: '', anthropicApiKey: 'sk-secret', anthropicBaseUrl: 'http://me:pw@gateway:4000/?k=v' },
    ...{
      glmApiKey: '',
      glmBaseUrl: 'https://open.bigmodel.cn/api/anthropic',
      minimaxApiKey: '',
      minimaxBaseUrl: 'http://m',
    },
    ...{ deepseekApiKey: '', deepseekBaseUrl: 'http://d', modelProviders: [], modelPrices: new Map() },
    ...{ defaultModel: 'claude-sonnet-4-5', modelList: ['glm-4.6', 'gpt-5'], allowedModels: [] },
  },
  {},
  [],
)

beforeAll(async () => {
  stage = await createStage()
  backend = await stage.backend({}, { models, offersModel: (model) => models.allowed(model) })
})
afterAll(() => stage.close())

const internal = { 'x-internal-token': internalToken }

test('a-call-begins-and-ends-and-is-seen-in-the-sessions-usage', async () => {
  const run = await claimNew(backend)
  const { worker_id, lease_token } = holder(run)
  const most = { input_tokens: 10, output_tokens: 10, cost_usd: 0.1 }
  const path = `/${run.run_id}/account`
  const begun = await backend.manage(path, {
    ...{ worker_id, lease_token, wall_ms: 0 },
    begin: { n: 1, model: 'm', provider: 'p', most },
  })
  expect(begun).toMatchObject({ status: 200, body: { data: { verdict: 'go', refusal: null } } })
  const tokens = { input_tokens: 7, output_tokens: 1, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }
  const ended = [{ ...tokens, n: 1, cost_usd: 0.02, status: 200, complete: true }]
  await backend.manage(path, { worker_id, lease_token, wall_ms: 1000, ended })
  const usage = await backend.get(`/api/v1/sessions/${run.session_id}/spending`)
  expect(usage.body.data).toMatchObject({ calls: 1, input_tokens: 7, cost_usd: 0.02, wall_seconds: 1 })
})

test('limits-are-set-shown-and-refuse-with-their-own-code', async () => {
  const put = (path: string, body: unknown, headers = {}) => backend.send('PUT', `/api/v1${path}`, body, headers)
  expect((await put('/budgets', { scope: 'user', limits: { tokens: 5 } })).body.data).toMatchObject([
    { scope: 'user', set_by: 'owner', limits: { tokens: 5 }, used: { input_tokens: 7 } },
  ])
  const refused = await backend.post('/api/v1/tasks', { prompt: 'x' })
  expect(refused).toMatchObject({ status: 402, body: { code: 40200, data: { code: 'BUDGET_EXCEEDED' } } })
  expect(refused.body.message).toMatch(/5 tokens \(set by the owner\) is used up: 8 tokens/)
  await put('/budgets', { scope: 'user', limits: {} })
  expect((await backend.get('/api/v1/budgets')).body.data).toEqual([])
  expect((await put('/budgets', { scope: 'session', limits: { tokens: 1 } })).body.data).toMatchObject({
    code: 'INVALID_BODY',
    path: 'body.scope_id',
  })
  // The operator's door is not the user's.
  const all = { scope: 'all', period: 'month', limits: { cost_usd: 500 } }
  expect((await put('/internal/budgets', all)).status).toBe(403)
  expect((await put('/internal/budgets', all, internal)).body.data).toMatchObject({ scope: 'all', set_by: 'operator' })
})

test('models-are-told-with-their-providers-and-without-a-secret', async () => {
  const { body } = await backend.get('/api/v1/models')
  const view = modelsView.parse(body.data)
  expect(view.model_list).toEqual(['claude-sonnet-4-5', 'glm-4.6', 'gpt-5'])
  expect(view.models.map(({ provider_id, price }) => [provider_id, price?.input ?? null])).toEqual([
    ['anthropic', 3],
    ['glm', null],
    ['anthropic', null],
  ])
  expect(view.providers[0]).toMatchObject({
    credential_state: 'system',
    effective_base_url: 'http://gateway:4000',
    base_url_source: 'system',
    models: ['claude-sonnet-4-5', 'gpt-5'],
  })
  expect(view.providers[1]).toMatchObject({ credential_state: 'none', base_url_source: 'default' })
  expect(JSON.stringify(body)).not.toMatch(/sk-secret|pw/)
})

test('a-model-that-is-not-offered-is-refused-when-the-message-is-sent', async () => {
  const answer = await backend.post('/api/v1/tasks', { prompt: 'x', config: { model: 'gpt-4' } })
  expect(answer).toMatchObject({ status: 400, body: { data: { code: 'INVALID_BODY', path: 'body.config.model' } } })
  expect((await backend.post('/api/v1/tasks', { prompt: 'x', config: { model: 'gpt-5' } })).status).toBe(200)
})
