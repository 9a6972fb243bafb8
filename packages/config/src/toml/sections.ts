/** What the files have in common: sections with a name, all faults at once, each with its place. */
import type { TomlTable, TomlValue } from 'smol-toml'
import type { Fault } from '../fault.ts'
import { nearest } from '../nearest.ts'
import { readToml, type TomlSource } from './read-toml.ts'

export interface Section {
  id: string
  fields: TomlTable
  /** Files a fault at a field, or at the section's head when the field is not written. */
  fault: (field: string | null, what: string, remedy: string) => void
}

/** Where a section, or a field of it, is written. */
export type PlaceOf = (id: string, field?: string) => Pick<Fault, 'source' | 'line' | 'column'>

type Read<Entry> =
  | { entries: Entry[]; place: PlaceOf; faults?: undefined }
  | { faults: Fault[]; entries?: undefined; place?: undefined }

/**
 * Reads every section with `read`, which files its faults and returns an entry. All faults of the file come at once;
 * with one fault there are no entries, because half a list of clients would lock the others out.
 */
export function readSections<Entry>(
  source: TomlSource,
  noun: 'client' | 'worker' | 'schedule',
  read: (section: Section) => Entry,
): Read<Entry> {
  const { document, faults: unreadable } = readToml(source)
  if (unreadable) return { faults: unreadable }
  const faults: Fault[] = []
  const entries: Entry[] = []
  const place: PlaceOf = (id, field) => ({
    source: document.name,
    ...document.position(field === undefined ? [id] : [id, field]),
  })

  for (const [id, fields] of Object.entries(document.tables)) {
    const fault: Section['fault'] = (field, what, remedy) => {
      faults.push({ ...place(id, field ?? undefined), what, remedy })
    }
    if (isTable(fields)) entries.push(read({ id, fields, fault }))
    else fault(null, `“${id}” is not a section`, `Write a section [${noun}-id] for each ${noun}, with its fields.`)
  }
  return faults.length > 0 ? { faults } : { entries, place }
}

/** For the ids of clients and workers, which travel in addresses and logs. */
export function checkId({ id, fault }: Section, noun: 'client' | 'worker'): void {
  if (!/^[\x21-\x7e]{1,200}$/.test(id))
    fault(null, `“${id}” can’t be a ${noun}’s id`, 'Use 1 to 200 letters, digits, dots and dashes.')
}

export function unknownField({ id, fault }: Section, name: string, known: readonly string[]): void {
  const meant = nearest(name, known)
  const remedy = meant === null ? `Remove it; there are: ${known.join(', ')}.` : `Did you mean ${meant}?`
  fault(name, `[${id}] has an unknown field “${name}”`, remedy)
}

/** What goes into jobs is JSON: dates become text. @throws RangeError for `nan` and `inf`, which would silently turn into null */
export function toJson(value: TomlValue): unknown {
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('not a JSON number')
  if (typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJson(inner)]))
}

export function isTable(value: TomlValue | undefined): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}
