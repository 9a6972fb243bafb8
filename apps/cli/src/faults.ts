/** What a person is told when a command can't do its work: the fault and the remedy, and a stack only where nobody expected it. */
const expected = new Set([
  'DataDirError',
  'PortInUseError',
  'NotRunningError',
  'ConfigError',
  'BlueprintError',
  'BuiltInPostgresError',
  'SchemaVersionError',
  'SandboxError',
  'SandboxUnavailableError',
  'TuttiApiError',
  'DemoError',
])

export const explain = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  if (expected.has(error.name)) return error.message
  return error.stack ?? error.message
}

/** 2: configuration, 3: something is missing on this machine, 1: everything else. */
export const exitCodeOf = (error: unknown): number => {
  const name = error instanceof Error ? error.name : ''
  if (['ConfigError', 'BlueprintError', 'DataDirError', 'PortInUseError'].includes(name)) return 2
  if (['SandboxUnavailableError', 'BuiltInPostgresError'].includes(name)) return 3
  return 1
}
