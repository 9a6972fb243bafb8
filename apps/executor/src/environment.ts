/**
 * What the sandbox was given. Read by hand rather than with the contract's schema: loading a schema library would come
 * before the first request for work, and a cold run waits for that request.
 */
import { readFileSync, unlinkSync } from 'node:fs'
import type { ExecutorEnvironment } from '@tutti/contracts'

const required = (source: NodeJS.ProcessEnv, name: keyof ExecutorEnvironment): string => {
  const value = source[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set: the executor manager must pass it.`)
  return value
}

/**
 * The relay token. `@/path` names a file that holds it, which is read once and removed: what a process was started with
 * stays readable in /proc for every process of the same user, so a token given directly is within an agent's reach.
 */
const takeToken = (value: string): string => {
  if (!value.startsWith('@')) return value
  const path = value.slice(1)
  const token = readFileSync(path, 'utf8').trim()
  unlinkSync(path)
  if (token === '') throw new Error('The file that TUTTI_RELAY_TOKEN names is empty.')
  return token
}

/**
 * Reads the environment and takes the relay's address and token out of it: what stays would be inherited by every
 * command that the agent runs, and with the token a command could speak to the manager as if it were the executor.
 */
export const takeEnvironment = (source: NodeJS.ProcessEnv): ExecutorEnvironment => {
  const environment = {
    TUTTI_RELAY: required(source, 'TUTTI_RELAY'),
    TUTTI_RELAY_TOKEN: takeToken(required(source, 'TUTTI_RELAY_TOKEN')),
    TUTTI_CLAUDE_EXECUTABLE: required(source, 'TUTTI_CLAUDE_EXECUTABLE'),
    WORKSPACE_PATH: source.WORKSPACE_PATH || '/workspace',
    ...(source.TUTTI_AHEAD === '1' ? { TUTTI_AHEAD: '1' as const } : {}),
  }
  delete source.TUTTI_RELAY
  delete source.TUTTI_RELAY_TOKEN
  delete source.TUTTI_AHEAD
  // The executor's own compiled code; a Node program that the agent runs has no business there.
  delete source.NODE_COMPILE_CACHE
  return environment
}
