import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { turn as schema } from '@tutti/contracts'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { backoffMs } from '../src/backoff.ts'
import { takeEnvironment } from '../src/environment.ts'
import { checkTurn } from '../src/turn.ts'

const turn = {
  run_id: '00000000-0000-4000-8000-000000000001',
  session_id: '00000000-0000-4000-8000-000000000002',
  attempt: 1,
  runtime: 'claude',
  prompt: 'hello',
  model: 'model-a',
  permission_mode: 'default',
}

it('accepts every turn that the contract accepts', () => {
  const optional = fc.record(
    {
      resume: fc.string({ minLength: 1 }),
      instructions: fc.string(),
      tools: fc.array(fc.string({ minLength: 1 })),
      cwd: fc.constantFrom('repo', 'a/b'),
      plugins: fc.array(fc.constantFrom('.tutti/plugins/a')),
      mcp_servers: fc.constantFrom({ a: { command: 'x' } }, { b: { type: 'http', url: 'http://b/' } }),
      agents: fc.constantFrom({ a: { description: '', prompt: '' } }),
      output_schema: fc.constantFrom({}, { type: 'object' }),
      max_turns: fc.integer({ min: 1 }),
      permission_mode: fc.constantFrom('default', 'acceptEdits', 'plan', 'bypassPermissions'),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(optional, (more) => {
      expect(checkTurn(schema.parse({ ...turn, ...more })).kind).toBe('turn')
    }),
  )
})

it.each([
  ['without a prompt', { prompt: '' }],
  ['for another runtime', { runtime: 'other' }],
  ['with an unknown mode', { permission_mode: 'yolo' }],
  ['with no steps allowed', { max_turns: 0 }],
  ['with tools that are no list', { tools: 'Bash' }],
  ['for a folder outside', { cwd: '../elsewhere' }],
  ['for an absolute folder', { cwd: '/etc' }],
  ['with a plugin from outside', { plugins: ['a/../../b'] }],
  ['with a server that is nowhere', { mcp_servers: { a: {} } }],
  ['for a runtime without a program', { runtime: 'acp' }],
  ['of no session', { session_id: undefined }],
])('can say whose turn it was that came %s', (_name, more) => {
  expect(checkTurn({ ...turn, ...more })).toMatchObject({ kind: 'invalid', run_id: turn.run_id, attempt: 1 })
})

it.each([[null], ['turn'], [{}], [{ ...turn, attempt: 0 }]])('does not guess whose turn %j is', (value) => {
  expect(checkTurn(value).kind).toBe('unknown')
})

it('takes the relay’s token out of what the agent’s commands inherit', () => {
  const source = {
    TUTTI_RELAY: '/run/relay.sock',
    TUTTI_RELAY_TOKEN: 'secret',
    TUTTI_CLAUDE_EXECUTABLE: '/opt/claude',
    PATH: '/bin',
  }
  expect(takeEnvironment(source)).toMatchObject({ TUTTI_RELAY_TOKEN: 'secret', WORKSPACE_PATH: '/workspace' })
  expect(source).toEqual({ TUTTI_CLAUDE_EXECUTABLE: '/opt/claude', PATH: '/bin' })
})

it('removes the file that holds the token before anything else runs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tutti-token-'))
  const path = join(folder, 'token')
  writeFileSync(path, 'secret\n')
  const source = { TUTTI_RELAY: '/x', TUTTI_RELAY_TOKEN: `@${path}`, TUTTI_CLAUDE_EXECUTABLE: '/opt/claude' }
  expect(takeEnvironment(source)).toMatchObject({ TUTTI_RELAY_TOKEN: 'secret' })
  expect(existsSync(path)).toBe(false)
  rmSync(folder, { recursive: true })
})

it('names the variable that is missing', () => {
  expect(() => takeEnvironment({ TUTTI_RELAY: '/x' })).toThrow('TUTTI_RELAY_TOKEN')
})

it('waits longer from attempt to attempt, but never long', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
      const ms = backoffMs(attempt, random)
      expect(ms).toBeGreaterThan(0)
      expect(ms).toBeLessThanOrEqual(5_000)
      expect(backoffMs(attempt + 1, random)).toBeGreaterThanOrEqual(ms)
    }),
  )
})
