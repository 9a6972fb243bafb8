/** A call that is taken up by itself, before the runtime knows of the hook: what was answered still holds. */
import { expect, it } from 'vitest'
import { createConsent } from '../src/claude/consent.ts'

const consentWith = (answer: { decision: 'allow' | 'deny'; message?: string; input?: Record<string, string> }) =>
  createConsent({
    turn: { permission_mode: 'default', attended: true },
    answers: [{ tool_use_id: 'waited', ...answer }],
    cwd: '/workspace',
    plansFolder: '/workspace/.plans',
  })

const ask = (consent: ReturnType<typeof consentWith>, toolUseID: string) =>
  consent.canUseTool(
    'Bash',
    { command: 'rm -r x' },
    { signal: new AbortController().signal, toolUseID, requestId: 'r' },
  )

it('a-yes-holds-with-what-the-person-corrected', async () => {
  expect(await ask(consentWith({ decision: 'allow', input: { command: 'rm x' } }), 'waited')).toEqual({
    behavior: 'allow',
    updatedInput: { command: 'rm x' },
  })
  expect(await ask(consentWith({ decision: 'allow' }), 'waited')).toEqual({
    behavior: 'allow',
    updatedInput: { command: 'rm -r x' },
  })
})

it('a-no-holds-with-its-reason', async () => {
  expect(await ask(consentWith({ decision: 'deny', message: 'keep it' }), 'waited')).toEqual({
    behavior: 'deny',
    message: 'keep it',
  })
})

it('another-call-is-no-part-of-the-answer', async () => {
  expect(await ask(consentWith({ decision: 'allow' }), 'another')).toMatchObject({ behavior: 'deny' })
})
