import { readFileSync } from 'node:fs'
import { parse, TomlError, type TomlTable } from 'smol-toml'
import type { Fault } from '../fault.ts'
import { locateKeys, type Position } from './positions.ts'

/** A file on disk, or text that came another way (`name` then stands in the faults). */
export type TomlSource = { path: string } | { text: string; name: string }

export interface TomlDocument {
  name: string
  tables: TomlTable
  /** Where a key path is written; falls back to the nearest section or key around it. */
  position: (path: readonly string[]) => Position
}

export type TomlResult = { document: TomlDocument; faults?: undefined } | { faults: Fault[]; document?: undefined }

/** Reads and parses one file. A fault quotes no line of the file, because the line may hold a token. */
export function readToml(source: TomlSource): TomlResult {
  const text = 'path' in source ? readText(source.path) : source.text
  if (typeof text !== 'string') return { faults: [text] }
  const name = 'path' in source ? source.path : source.name
  try {
    const tables = parse(text, { unsafeKeyBehaviour: 'throw' })
    return { document: { name, tables, position: locateKeys(text) } }
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    return { faults: [syntaxFault(name, error)] }
  }
}

export function readText(path: string): string | Fault {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    const what = code === 'ENOENT' ? 'the file does not exist' : `the file can’t be read (${code})`
    return { source: path, what, remedy: 'Correct the path, or unset the variable that names it.' }
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return { source: path, what: 'the file is not UTF-8', remedy: 'Save it as UTF-8.' }
  }
}

function syntaxFault(name: string, error: TomlError): Fault {
  // The rest of the message is an extract of the file.
  const reason = (error.message.split('\n', 1)[0] ?? '').replace('Invalid TOML document: ', '')
  return {
    source: name,
    line: error.line,
    column: error.column,
    what: `not valid TOML: ${reason}`,
    remedy: 'Correct the syntax at this place; https://toml.io/en/ shows the rules.',
  }
}
