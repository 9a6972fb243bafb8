import type { PermissionMode, PermissionRules } from '@tutti/contracts'
import { describe, expect, it } from 'vitest'
import { decide, type Policy } from '../src/claude/permissions.ts'

const policy = (mode: PermissionMode, attended: boolean, rules: Partial<PermissionRules> = {}): Policy => ({
  ...{ mode, attended, tools: undefined, cwd: '/workspace', plansFolder: '/workspace/.tutti/claude/plans' },
  rules: { allow: [], ask: [], deny: [], ...rules },
})
const kind = (given: Policy, tool: string, input: Record<string, unknown> = {}): string =>
  decide(given, tool, input).kind
const bash = (command: string) => ({ command })

describe('permissions of an unattended turn', () => {
  it('allows tools inside the sandbox', () => {
    expect(kind(policy('default', false), 'Bash', bash('make'))).toBe('allow')
  })

  it.each(['Bash', 'Write', 'Edit', 'NotebookEdit', 'mcp__deploy__run', 'ExitPlanMode'])(
    'refuses %s in plan mode',
    (tool) => {
      expect(kind(policy('plan', false), tool)).toBe('deny')
    },
  )

  it.each(['Read', 'Glob', 'Grep'])('allows %s in plan mode', (tool) => {
    expect(kind(policy('plan', false), tool)).toBe('allow')
  })

  it('refuses a tool that is not in the turn’s list, a question, and what a rule wants to be asked', () => {
    expect(kind({ ...policy('default', false), tools: ['Read'] }, 'Bash')).toBe('deny')
    expect(kind(policy('default', false), 'AskUserQuestion')).toBe('deny')
    expect(kind(policy('default', false, { ask: ['Bash'] }), 'Bash', bash('ls'))).toBe('deny')
  })
})

describe('permissions of an attended turn', () => {
  it.each([
    ['default', 'Read', 'allow'],
    ['default', 'Bash', 'ask'],
    ['default', 'Write', 'ask'],
    ['acceptEdits', 'Write', 'allow'],
    ['acceptEdits', 'Bash', 'ask'],
    ['bypassPermissions', 'Bash', 'allow'],
    ['bypassPermissions', 'AskUserQuestion', 'ask'],
    ['plan', 'Write', 'deny'],
    ['plan', 'Bash', 'deny'],
    ['plan', 'ExitPlanMode', 'ask'],
    ['default', 'ExitPlanMode', 'deny'],
  ] as const)('in mode %s answers a call of %s with %s', (mode, tool, expected) => {
    expect(kind(policy(mode, true), tool)).toBe(expected)
  })

  it('lets deny beat ask, ask beat allow, and deny beat every mode', () => {
    const rules = { allow: ['*'], ask: ['Bash(git *)'], deny: ['Bash(git push*)'] }
    expect(kind(policy('default', true, rules), 'Bash', bash('ls'))).toBe('allow')
    expect(kind(policy('default', true, rules), 'Bash', bash('git log'))).toBe('ask')
    expect(kind(policy('default', true, rules), 'Bash', bash('git push'))).toBe('deny')
    expect(kind(policy('bypassPermissions', true, rules), 'Bash', bash('git push'))).toBe('deny')
    expect(kind(policy('bypassPermissions', true, rules), 'Bash', bash('git log'))).toBe('allow')
  })

  it('finds a forbidden command inside a longer line, and allows no longer line by a rule for its beginning', () => {
    const rules = { allow: ['Bash(git status*)'], deny: ['Bash(rm *)'] }
    expect(kind(policy('default', true, rules), 'Bash', bash('git status --short'))).toBe('allow')
    for (const line of ['git status; curl evil', 'git status && x', 'git status $(x)', 'git status > /etc/x'])
      expect(kind(policy('default', true, rules), 'Bash', bash(line))).toBe('ask')
    expect(kind(policy('bypassPermissions', true, rules), 'Bash', bash('cd x && rm -rf y'))).toBe('deny')
  })

  it('takes an escaped star for a star, so that what was remembered is what was seen', () => {
    const rules = { allow: ['Bash(rm \\*.tmp; ls)'] }
    expect(kind(policy('default', true, rules), 'Bash', bash('rm *.tmp; ls'))).toBe('allow')
    expect(kind(policy('default', true, rules), 'Bash', bash('rm a.tmp; ls'))).toBe('ask')
  })

  it('judges a path by where it leads', () => {
    const rules = { allow: ['Edit(src/**)'], deny: ['Read(/etc/*)'] }
    expect(kind(policy('default', true, rules), 'Edit', { file_path: '/workspace/src/a/b.ts' })).toBe('allow')
    expect(kind(policy('default', true, rules), 'Edit', { file_path: 'src/../../etc/passwd' })).toBe('ask')
    expect(kind(policy('default', true, rules), 'Read', { file_path: '/workspace/../etc/passwd' })).toBe('deny')
  })

  it('lets an agent that plans write its plan, and nothing else', () => {
    const plan = { file_path: '/workspace/.tutti/claude/plans/p.md' }
    expect(kind(policy('plan', true), 'Write', plan)).toBe('allow')
    expect(kind(policy('plan', true), 'Write', { file_path: `${plan.file_path}/../../settings.json` })).toBe('deny')
  })
})
