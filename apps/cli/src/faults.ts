/** What a person is told when a command can't do its work: the fault and the remedy, and a stack only where nobody expected it. */

/** A command that can't be carried out as it was given. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/**
 * Faults that are foreseen, by name, and the exit code of those that don't bring one of their own. By name and not by
 * class, because the packages that they come from are loaded only by the commands that need them.
 */
const expected: Record<string, number> = {
  UsageError: 2,
  DataDirError: 2,
  PortError: 2,
  ConfigError: 2,
  BlueprintError: 2,
  NoSandboxError: 3,
  SandboxError: 3,
  BuiltInPostgresError: 3,
  BuiltInRedisError: 3,
  StoreRefusedError: 3,
  SchemaVersionError: 2,
  ServerEndedError: 1,
  NotRunningError: 1,
  WorkerFileError: 2,
  WorkerRejectedError: 1,
  BackendError: 1,
  TuttiApiError: 1,
  DemoError: 1,
  InterruptedError: 130,
}

/** Whether it is an answer of a server with this code. */
export const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && error.name === 'TuttiApiError' && 'code' in error && error.code === code

export const explain = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  if (isDatabaseFault(error))
    return `the database can't be used: ${reasonOf(error)}\n→ Check DATABASE_URL, and that its server runs and lets you in.`
  if (error.name in expected || 'syscall' in error) return withHint(error)
  return error.stack ?? error.message
}

/** 2: configuration, 3: something is missing on this machine, 130: interrupted, 1: everything else. */
export const exitCodeOf = (error: unknown): number => {
  if (!(error instanceof Error)) return 1
  if (isDatabaseFault(error)) return 3
  if ('exitCode' in error && typeof error.exitCode === 'number') return error.exitCode
  return expected[error.name] ?? 1
}

const withHint = (error: Error): string => {
  if (!('hint' in error) || typeof error.hint !== 'string') return error.message
  // By its code a fault is found in the documentation, and told apart by programs.
  const about = [fieldOf(error, 'code'), fieldOf(error, 'path')].filter((text) => text !== undefined)
  return `${error.message}${about.length === 0 ? '' : ` (${about.join(', ')})`}\n→ ${error.hint}`
}

const fieldOf = (error: Error, name: 'code' | 'path'): string | undefined => {
  const value = (error as { [Name in typeof name]?: unknown })[name]
  return typeof value === 'string' ? value : undefined
}

/** SQLSTATE classes of a server that is not there or refuses: connection, authorisation, database, resources, shutdown. */
const refusals = /^(08|28|3D|53|57P)/

/** Only the database is reached without a client of ours, which would have given the fault a name. */
const isDatabaseFault = (error: Error): boolean => {
  if ('severity' in error && 'code' in error) return refusals.test(String(error.code))
  if ('syscall' in error) return error.syscall === 'connect' || error.syscall === 'getaddrinfo'
  return error instanceof AggregateError && error.errors.some((each) => each instanceof Error && isDatabaseFault(each))
}

const reasonOf = (error: Error): string =>
  error instanceof AggregateError ? error.errors.map((each: Error) => each.message).join('; ') : error.message
