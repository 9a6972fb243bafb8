/** A file that may be TOML or JSON, by its name's ending: what it says, and where. */
import type { Fault } from '../fault.ts'
import { locateJson, positionAt } from '../json/positions.ts'
import type { Position } from '../toml/positions.ts'
import { readText, readToml, type TomlSource } from '../toml/read-toml.ts'

export interface Document {
  name: string
  value: unknown
  position: (path: readonly string[]) => Position
}

export type DocumentResult = { document: Document; faults?: undefined } | { faults: Fault[]; document?: undefined }

export function readDocument(source: TomlSource): DocumentResult {
  const name = 'path' in source ? source.path : source.name
  if (name.endsWith('.toml')) {
    const { document, faults } = readToml(source)
    return faults ? { faults } : { document: { name, value: document.tables, position: document.position } }
  }
  if (name.endsWith('.json')) return readJson(source, name)
  return {
    faults: [
      {
        source: name,
        what: 'the file’s name ends with neither .toml nor .json, so its format is not known',
        remedy: 'Rename it, and correct SCHEDULE_CONFIG_PATH.',
      },
    ],
  }
}

function readJson(source: TomlSource, name: string): DocumentResult {
  const text = 'path' in source ? readText(source.path) : source.text
  if (typeof text !== 'string') return { faults: [text] }
  try {
    return { document: { name, value: JSON.parse(text), position: locateJson(text) } }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    // The message quotes the text around it; its offset is all that is taken.
    const offset = /at position (\d+)/.exec(error.message)?.[1]
    const place = positionAt(text, offset === undefined ? text.length : Number(offset))
    return { faults: [{ source: name, ...place, what: 'not valid JSON', remedy: 'Correct the syntax at this place.' }] }
  }
}
