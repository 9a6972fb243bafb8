/** What clients.toml and workers.toml have in common: sections, each with a token that nobody else has. */
import type { TomlTable, TomlValue } from 'smol-toml'
import { hashToken } from '../access/tokens.ts'
import type { Fault } from '../fault.ts'
import { headerToken } from '../variables/schemas.ts'
import { readToml, type TomlDocument, type TomlSource } from './read-toml.ts'

export interface Section {
  id: string
  fields: TomlTable
  /** Files a fault at a field, or at the section's head when the field is not written. */
  fault: (field: string | null, what: string, remedy: string) => void
}

/**
 * Reads every section with `read`, which files its faults and returns an entry. All faults of the file come at once;
 * with one fault there are no entries, because half a list of clients would lock the others out.
 */
export function readSections<Entry extends { id: string; tokenHash: string }>(
  source: TomlSource,
  noun: 'client' | 'worker',
  read: (section: Section, tokenHash: string) => Entry,
): { entries: Entry[]; faults?: undefined } | { faults: Fault[]; entries?: undefined } {
  const { document, faults: unreadable } = readToml(source)
  if (unreadable) return { faults: unreadable }
  const faults: Fault[] = []
  const entries: Entry[] = []
  const holders = new Map<string, string>()

  for (const [id, fields] of Object.entries(document.tables)) {
    const fault = faultsAt(document, id, faults)
    if (!isTable(fields)) {
      fault(null, `“${id}” is not a section`, `Write a section [${noun}-id] for each ${noun}, with its token.`)
      continue
    }
    if (!/^[\x21-\x7e]{1,200}$/.test(id)) {
      fault(null, `“${id}” can’t be a ${noun}’s id`, 'Use 1 to 200 letters, digits, dots and dashes.')
    }
    const section = { id, fields, fault }
    const tokenHash = readToken(section)
    const holder = tokenHash === null ? undefined : holders.get(tokenHash)
    if (holder !== undefined) {
      fault('token', `[${id}] has the same token as [${holder}]`, `Give each ${noun} a token of its own.`)
    }
    if (tokenHash !== null && holder === undefined) holders.set(tokenHash, id)
    entries.push(read(section, tokenHash ?? ''))
  }
  return faults.length > 0 ? { faults } : { entries }
}

function faultsAt(document: TomlDocument, id: string, faults: Fault[]): Section['fault'] {
  return (field, what, remedy) => {
    const position = document.position(field === null ? [id] : [id, field])
    faults.push({ source: document.name, ...position, what, remedy })
  }
}

function readToken({ id, fields, fault }: Section): string | null {
  const { token } = fields
  if (token === undefined) {
    fault(null, `[${id}] has no token`, 'Add a line: token = "…".')
    return null
  }
  if (typeof token !== 'string') {
    fault('token', `the token of [${id}] is not a string`, 'Put it into quotes.')
    return null
  }
  if (token === '') {
    fault('token', `the token of [${id}] is empty`, 'Set a random value, such as from `openssl rand -hex 32`.')
    return null
  }
  if (!headerToken.safeParse(token).success) {
    fault('token', `the token of [${id}] holds characters that a header can’t carry`, 'Use visible ASCII only.')
    return null
  }
  return hashToken(token)
}

function isTable(value: TomlValue | undefined): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}
