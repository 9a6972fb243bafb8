import { accessSync, constants } from 'node:fs'
import { expect, it } from 'vitest'
import { executablePackage, resolveClaudeExecutable } from '../src/claude/executable.ts'

it('finds the executable that npm installed for this platform', () => {
  expect(() => accessSync(resolveClaudeExecutable(), constants.X_OK)).not.toThrow()
})

it('says what to do when the optional package is missing', () => {
  const missing = { platform: 'sunos', arch: 'sparc', musl: false }
  expect(() => resolveClaudeExecutable(missing)).toThrow(/claude-agent-sdk-sunos-sparc.*--omit=optional/)
})

it('asks for the musl build where the usual one does not start', () => {
  expect(executablePackage({ platform: 'linux', arch: 'arm64', musl: true })).toBe(
    '@anthropic-ai/claude-agent-sdk-linux-arm64-musl',
  )
})
