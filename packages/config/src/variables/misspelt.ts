/** A variable nobody reads is a setting that does nothing; where its name is close to one of ours, it was meant for us. */
import type { Fault } from '../fault.ts'
import { nearest } from '../nearest.ts'
import type { Environment, VariableTable } from './variable.ts'

/**
 * Names that begin with the first word of one of the table's names (`REDIS_`) and are nearly one of them.
 * @param others names that other processes read, which are no mistakes
 */
export function warnMisspelt(table: VariableTable, env: Environment, others: ReadonlySet<string>): Fault[] {
  const known = Object.values(table).flatMap(({ name, aliases = [] }) => [name, ...aliases])
  const families = new Set(known.filter((name) => name.includes('_')).map(firstWord))
  return Object.keys(env)
    .filter((name) => families.has(firstWord(name)) && !known.includes(name) && !others.has(name))
    .sort()
    .flatMap((name) => {
      const meant = nearest(name, known)
      if (meant === null) return []
      const what = `${name} is not a variable of ours`
      return [{ source: 'environment', variable: name, what, remedy: `Did you mean ${meant}?` }]
    })
}

const firstWord = (name: string): string => name.slice(0, Math.max(name.indexOf('_'), 0))
