/**
 * A process's environment variables as one table. The parsed object, its type, the faults and the generated reference
 * all come from that table, so they can't disagree.
 */
import type { z } from 'zod'

export interface Variable<T = unknown> {
  name: string
  /** The text that counts when the variable is not set; without a default the variable is required. */
  default?: string | Computed
  /** One sentence or two, for the reference. */
  description: string
  /** From the text to the value. Its `description` names what it accepts. Its messages complete “NAME …”. */
  schema: z.ZodType<T, string>
  /** The value is never quoted in a fault, and `change-this-*` is refused outside development. */
  secret?: true
  /** Bytes that a secret has at least, outside development and unless it is empty: a shorter one can be guessed. */
  leastBytes?: number
  /** Older names, read in this order when `name` itself is not set. */
  aliases?: readonly string[]
}

/** A default that depends on the machine or on other variables. */
export interface Computed {
  /** How the reference shows it. */
  text: string
  value: (env: Environment) => string
}

export type Environment = Readonly<Record<string, string | undefined>>
export type VariableTable = Readonly<Record<string, Variable>>

/** What `readEnvironment` makes of a table: the same camelCase keys, the parsed values. */
export type ConfigOf<Table extends VariableTable> = {
  readonly [Key in keyof Table]: z.output<Table[Key]['schema']>
}

export interface VariableRow {
  name: string
  /** The key in the parsed object. */
  key: string
  description: string
  accepts: string
  /** `null` when the variable is required. */
  default: string | null
  required: boolean
  secret: boolean
  /** `null`: any. */
  leastBytes: number | null
  aliases: readonly string[]
}

/** The rows of a generated reference, in the table's order. */
export function describeVariables(table: VariableTable): VariableRow[] {
  return Object.entries(table).map(([key, variable]) => ({
    name: variable.name,
    key,
    description: variable.description,
    accepts: variable.schema.description ?? 'text',
    default: describeDefault(variable.default),
    required: variable.default === undefined,
    secret: variable.secret ?? false,
    leastBytes: variable.leastBytes ?? null,
    aliases: variable.aliases ?? [],
  }))
}

function describeDefault(value: Variable['default']): string | null {
  if (value === undefined) return null
  return typeof value === 'string' ? value : value.text
}
