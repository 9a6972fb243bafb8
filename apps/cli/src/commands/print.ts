/** What commands write: for people a line each, for programs JSON. */
import { readFile } from 'node:fs/promises'
import type { Json, JsonObject } from '@tutti/contracts'
import { InvalidArgumentError } from 'commander'
import { UsageError } from '../faults.ts'

export interface OutputFlags {
  json: boolean
}

export const jsonFlag = ['--json', 'as JSON, for programs', false] as const

export const printJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

/** @param line what a person reads */
export const print = ({ json }: OutputFlags, value: unknown, line: string): void => {
  if (json) printJson(value)
  else process.stdout.write(`${line}\n`)
}

/** A list: JSON is one array. */
export const printAll = <T>({ json }: OutputFlags, values: readonly T[], line: (value: T) => string): void => {
  if (json) printJson(values)
  else for (const value of values) process.stdout.write(`${line(value)}\n`)
}

/** JSON from the command line, or from a file with `@FILE`. @throws UsageError */
export const readJson = async (option: string, given: string): Promise<Json> => {
  const file = given.startsWith('@') ? given.slice(1) : undefined
  try {
    return JSON.parse(file === undefined ? given : await readFile(file, 'utf8')) as Json
  } catch (error) {
    throw new UsageError(`${option} can't be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** @throws UsageError */
export const readJsonObject = async (option: string, given: string): Promise<JsonObject> => {
  const value = await readJson(option, given)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new UsageError(`${option} is no JSON object`)
}

export const wholeNumber = (text: string): number => {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('a whole number, 0 or more')
  return Number(text)
}

/** Of an option that may be given several times. */
export const repeated = (value: string, former: string[]): string[] => [...former, value]
