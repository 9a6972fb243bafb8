/** What only a try can tell of the configuration: a server that is not there and a wrong address look the same. */
import { ConfigError } from '@tutti/config'

/** @param remedy what to do, in a sentence */
export const unusable = (variable: string, what: string, error: unknown, remedy: string): ConfigError =>
  new ConfigError([{ source: 'environment', variable, what: `${what}: ${reasonOf(error)}`, remedy }])

/** The message; several addresses that were tried in vain have none of their own. */
const reasonOf = (error: unknown): string => {
  if (error instanceof AggregateError) return [...new Set(error.errors.map(reasonOf))].join(', ')
  if (!(error instanceof Error)) return String(error)
  return error.message || ('code' in error ? String(error.code) : error.name)
}
