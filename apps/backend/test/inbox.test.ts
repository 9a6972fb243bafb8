/** One place for all that waits for a person, and links with which somebody else decides in the owner's place. */
import { inboxItem, type JsonObject } from '@tutti/contracts'
import { blueprint } from '@tutti/engine'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { claimNew, createStage, holder, type Running, type Stage } from './support/stage.ts'

const release = blueprint({ name: 'release' })
  .state('ask', { start: true, to: ['out'] }, ({ approval }) =>
    approval({ message: 'Ship it?', on: { yes: 'out', no: 'out', timeout: 'out' }, timeout: '2d', assignees: ['ops'] }),
  )
  .end('out')

let stage: Stage
let backend: Running
let quiet: Running
beforeAll(async () => {
  stage = await createStage({ blueprints: [release] })
  backend = await stage.backend({
    links: { publicUrl: 'https://agents.example.test/', secret: 'key-of-tests-'.repeat(3) },
  })
  quiet = await stage.backend()
})
afterAll(() => stage.close())

const usage = { input_tokens: 0, output_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }
const questions = [
  {
    ...{ question: 'Tea or <b>coffee</b>?', multiSelect: false },
    options: [{ label: 'Tea', description: 'Hot' }, { label: 'Coffee' }],
  },
  { question: 'With what?', multiSelect: true, options: [{ label: 'Milk' }, { label: 'Sugar' }] },
]

/** A run whose agent has asked this, and which waits. @returns the request's id */
const asked = async (event: JsonObject): Promise<string> => {
  const run = await claimNew(backend)
  const by = { ...holder(run), attempt: run.attempt }
  await backend.manage(`/${run.run_id}/events`, {
    ...by,
    events: [
      { n: 1, at: 0, event: { type: 'request', tool_use_id: 't', ...event } },
      {
        ...{ n: 2, at: 0 },
        event: {
          ...{ type: 'parked', reason: 'input', until: null, agent_session_id: 's', turns: 1, duration_ms: 1 },
          ...{ usage, cost_usd: 0 },
        },
      },
    ],
  })
  await backend.manage(`/${run.run_id}/finish`, { ...by, outcome: 'parked', park: { reason: 'input', until: null } })
  const { body } = await backend.get(`/api/v1/user-input-requests?session_id=${run.session_id}`)
  return (body.data as { id: string }[])[0]?.id ?? ''
}
const question = { kind: 'question', tool_name: 'AskUserQuestion', input: { questions } }
const permission = { kind: 'permission', tool_name: 'Bash', input: { command: 'rm -rf <cache>' } }

const linkTo = async (id: string, body: object = { to: 'ops@example.test' }): Promise<string> => {
  const answer = await backend.post(`/api/v1/user-input-requests/${id}/link`, body)
  expect(answer.status).toBe(200)
  const { url } = answer.body.data as { url: string }
  expect(url).toMatch(/^https:\/\/agents\.example\.test\/_public\/requests\//)
  return `${backend.address}${new URL(url).pathname}`
}
/** As a browser that has no account. */
const open = async (url: string, form?: [string, string][]) => {
  const body = form && new URLSearchParams(form)
  const response = await fetch(url, body ? { method: 'POST', body } : {})
  return { status: response.status, headers: response.headers, page: await response.text() }
}
const requestOf = async (id: string) =>
  (
    await stage.database.query<{ status: string; answers: JsonObject; answered_by: string; answer: JsonObject }>(
      'select status, answers, answered_by, answer from workbench.user_input_requests where id = $1',
      [id],
    )
  )[0]

test('agents-and-jobs-that-wait-for-a-person-are-in-one-list-and-leave-it-when-they-are-answered', async () => {
  const id = await asked(permission)
  const [job] = await stage.engine.create([{ blueprint: 'release', client: 'default', input: {} }])
  const read = async () => {
    const { status, body } = await backend.get('/api/v1/inbox')
    expect(status).toBe(200)
    return z.array(inboxItem).parse(body.data)
  }
  expect(await read()).toMatchObject([
    { kind: 'request', request: { id, kind: 'permission' }, session_title: expect.any(String) },
    { kind: 'approval', job_id: job?.id, message: 'Ship it?', decisions: ['yes', 'no'], assignees: ['ops'] },
  ])
  await backend.post(`/api/v1/user-input-requests/${id}/answer`, { decision: 'deny' })
  expect(await requestOf(id)).toMatchObject({ answered_by: 'default' })
  await stage.engine.approve(job?.id ?? '', 'default', { decision: 'yes', by: 'me', comment: null })
  expect(await read()).toEqual([])
})

test('looking-at-a-link-answers-nothing-and-its-page-shows-every-text-as-text', async () => {
  const id = await asked(permission)
  const url = await linkTo(id)
  for (let times = 0; times < 3; times += 1) {
    const { status, headers, page } = await open(url)
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(page).toContain('rm -rf &#60;cache&#62;')
    expect(page).not.toContain('<cache>')
  }
  expect(await requestOf(id)).toMatchObject({ status: 'pending' })
  await backend.post(`/api/v1/user-input-requests/${id}/answer`, { decision: 'deny' })
})

test('a-link-answers-once-and-the-request-names-whom-it-was-for', async () => {
  const id = await asked(question)
  const url = await linkTo(id)
  expect((await open(url, [['decision', 'answer']])).status).toBe(400)
  expect((await open(url, [['question-0', 'Tea']])).status).toBe(400)
  const form: [string, string][] = [
    ['question-0', 'Tea'],
    ['question-1', 'Milk'],
    ['question-1', 'Sugar'],
    ['question-1-other', ' Honey '],
    ['comment', ' soon '],
    ['decision', 'answer'],
  ]
  const answers = await Promise.all([1, 2, 3, 4].map(() => open(url, form)))
  expect(answers.map(({ status }) => status)).toContain(200)
  expect(await requestOf(id)).toMatchObject({
    ...{ status: 'answered', answered_by: 'link: ops@example.test' },
    answers: { 'Tea or <b>coffee</b>?': 'Tea', 'With what?': 'Milk, Sugar, Honey' },
    answer: { decision: 'allow', message: 'soon' },
  })
  expect((await open(url)).status).toBe(409)
  expect((await open(url, [['decision', 'refuse']])).status).toBe(409)
  const late = await backend.post(`/api/v1/user-input-requests/${id}/link`, { to: 'x' })
  expect(late).toMatchObject({ status: 409, body: { data: { code: 'REQUEST_ANSWERED' } } })
})

test('what-does-not-work-is-not-told-apart-and-links-are-off-without-a-public-address', async () => {
  const id = await asked(permission)
  const url = await linkTo(id, { to: 'a', expires_in_seconds: 60 })
  const [payload = '', proof = ''] = url.split('/').at(-1)?.split('.') ?? []
  const says = JSON.parse(Buffer.from(payload, 'base64url').toString()) as unknown[]
  const forged = Buffer.from(JSON.stringify([...says.slice(0, -1), Date.now() * 2])).toString('base64url')
  for (const token of [`${forged}.${proof}`, payload, `${payload}.`, 'x', `${payload}.${proof.slice(1)}`])
    for (const form of [undefined, [['decision', 'allow']] as [string, string][]])
      expect((await open(`${backend.address}/_public/requests/${token}`, form)).status).toBe(404)
  expect((await open(`${quiet.address}/_public/requests/${payload}.${proof}`)).status).toBe(404)
  const off = await quiet.post(`/api/v1/user-input-requests/${id}/link`, { to: 'x' })
  expect(off).toMatchObject({ status: 409, body: { data: { code: 'LINKS_OFF' } } })
  const strange = await backend.post('/api/v1/user-input-requests/00000000-0000-4000-8000-000000000000/link', {
    to: 'x',
  })
  expect(strange.status).toBe(404)
  expect(
    (
      await open(url, [
        ['decision', 'deny'],
        ['comment', 'not now'],
      ])
    ).status,
  ).toBe(200)
  expect(await requestOf(id)).toMatchObject({ answer: { decision: 'deny', message: 'not now' } })
})
