import { ConfigError, type Fault } from '../fault.ts'
import type { ConfigOf, Environment, Variable, VariableTable } from './variable.ts'

export type EnvironmentResult<Table extends VariableTable> =
  | { config: ConfigOf<Table>; warnings: Fault[]; faults?: undefined }
  /** `known`: what could be read in spite of the faults. */
  | { faults: Fault[]; known: Partial<ConfigOf<Table>>; config?: undefined; warnings?: undefined }

/**
 * Reads a process's whole environment and reports every fault at once. A variable that is set but empty counts as not
 * set, because compose files write `NAME=${NAME:-}`; except a secret with a default, which empty switches off: falling
 * back to the value that the documentation prints would let everybody in. `warnings` are settings that work and that nobody should keep.
 */
export function readEnvironment<Table extends VariableTable>(table: Table, env: Environment): EnvironmentResult<Table> {
  const values: Record<string, unknown> = {}
  const faults: Fault[] = []
  const warnings: Fault[] = []
  const development = env.TUTTI_ENV?.toLowerCase() === 'development'

  for (const [key, variable] of Object.entries(table)) {
    const found = lookUp(variable, env)
    if (found === null) {
      faults.push(missing(variable))
      continue
    }
    const parsed = variable.schema.safeParse(found.text)
    if (!parsed.success) {
      // A computed default fails only because of the variable it comes from, and that one is reported itself.
      if (found.from !== 'computed') faults.push(...refusals(variable, found, parsed.error.issues))
      continue
    }
    if (variable.secret && !development) {
      const { leastBytes = 0 } = variable
      if (/change-this/i.test(found.text)) faults.push(placeholder(variable.name))
      else if (found.text !== '' && Buffer.byteLength(found.text) < leastBytes)
        faults.push(guessable(variable.name, leastBytes))
      else if (found.text !== '' && found.text === variable.default) warnings.push(published(variable.name))
    }
    values[key] = parsed.data
  }

  if (faults.length > 0) return { faults, known: values as Partial<ConfigOf<Table>> }
  return { config: Object.freeze(values) as ConfigOf<Table>, warnings }
}

/** As `readEnvironment`, throwing a `ConfigError` with every fault. */
export function loadEnvironment<Table extends VariableTable>(
  table: Table,
  env: Environment,
): { config: ConfigOf<Table>; warnings: Fault[] } {
  const result = readEnvironment(table, env)
  if (result.faults) throw new ConfigError(result.faults)
  return result
}

interface Found {
  /** The name under which the operator set it. */
  name: string
  text: string
  from: 'environment' | 'default' | 'computed'
}

function lookUp(variable: Variable, env: Environment): Found | null {
  for (const name of [variable.name, ...(variable.aliases ?? [])]) {
    const text = env[name]
    if (text !== undefined && (text !== '' || canBeSwitchedOff(variable))) return { name, text, from: 'environment' }
  }
  if (variable.default === undefined) return null
  if (typeof variable.default === 'string') return { name: variable.name, text: variable.default, from: 'default' }
  return { name: variable.name, text: variable.default.value(env), from: 'computed' }
}

function canBeSwitchedOff(variable: Variable): boolean {
  return variable.secret === true && typeof variable.default === 'string'
}

function missing(variable: Variable): Fault {
  return {
    source: 'environment',
    variable: variable.name,
    what: `${variable.name} is not set`,
    remedy: `Set it to: ${variable.schema.description ?? 'a text'}. ${variable.description}`,
  }
}

interface Issue {
  message: string
  params?: unknown
}

function refusals(variable: Variable, found: Found, issues: readonly Issue[]): Fault[] {
  const shown = variable.secret ? found.name : `${found.name}=${JSON.stringify(found.text.slice(0, 80))}`
  return issues.map((issue) => ({
    source: 'environment',
    variable: variable.name,
    what: `${shown} ${issue.message}`,
    remedy: remedyOf(issue.params) ?? `It takes: ${variable.schema.description ?? 'text'}.`,
  }))
}

function remedyOf(params: unknown): string | null {
  if (typeof params !== 'object' || params === null || !('remedy' in params)) return null
  return typeof params.remedy === 'string' ? params.remedy : null
}

function placeholder(name: string): Fault {
  return {
    source: 'environment',
    variable: name,
    what: `${name} still holds the placeholder that the documentation prints`,
    remedy:
      'Set a random value, such as from `openssl rand -hex 32`, or TUTTI_ENV=development on a machine of your own.',
  }
}

function guessable(name: string, leastBytes: number): Fault {
  return {
    source: 'environment',
    variable: name,
    what: `${name} is shorter than ${leastBytes} bytes, and can be guessed`,
    remedy:
      'Set a random value, such as from `openssl rand -hex 32`, or TUTTI_ENV=development on a machine of your own.',
  }
}

function published(name: string): Fault {
  return {
    source: 'environment',
    variable: name,
    what: `${name} is the default that the documentation prints, so everybody knows it`,
    remedy: 'Set a random value, such as from `openssl rand -hex 32`, before others can reach this port.',
  }
}
