import type { TomlValue } from 'smol-toml'
import type { Fault } from '../fault.ts'
import type { TomlSource } from './read-toml.ts'
import { readSections, type Section } from './sections.ts'

export type ClientRole = 'client' | 'operator' | 'admin'

/** One section of clients.toml. The token itself is not kept. */
export interface Client {
  id: string
  /** SHA-256, hex. */
  tokenHash: string
  plan: string | null
  role: ClientRole
  /** Jobs that may be created per calendar month; `null` is without a limit. */
  monthlyAttempts: number | null
  /** Every field of the section that has no meaning of its own; kept for blueprints, which do not get it yet. JSON only. */
  params: Readonly<Record<string, unknown>>
}

export type ClientsResult = { clients: Client[]; faults?: undefined } | { faults: Fault[]; clients?: undefined }

/** Reads clients.toml: all clients, or all faults. A file without sections is valid and lets nobody in. */
export function readClients(source: TomlSource): ClientsResult {
  const { entries, faults } = readSections(source, 'client', (section, tokenHash) => ({
    id: section.id,
    tokenHash,
    plan: readPlan(section),
    role: readRole(section),
    monthlyAttempts: readMonthlyAttempts(section),
    params: readParams(section),
  }))
  return faults ? { faults } : { clients: entries }
}

function readPlan({ id, fields, fault }: Section): string | null {
  const { plan } = fields
  if (plan === undefined) return null
  if (typeof plan === 'string' && plan !== '') return plan
  fault('plan', `the plan of [${id}] is not a name`, 'Write it as text, such as plan = "free", or leave it out.')
  return null
}

function readRole({ id, fields, fault }: Section): ClientRole {
  const { role } = fields
  if (role === undefined) return 'client'
  if (role === 'client' || role === 'operator' || role === 'admin') return role
  fault('role', `the role of [${id}] is not a known one`, 'Use "client", "operator" or "admin".')
  return 'client'
}

function readMonthlyAttempts({ id, fields, fault }: Section): number | null {
  const attempts = fields.monthly_attempts
  if (attempts === undefined) return null
  if (typeof attempts === 'number' && Number.isSafeInteger(attempts) && attempts >= 0) return attempts
  fault(
    'monthly_attempts',
    `monthly_attempts of [${id}] is not a whole number`,
    'Write a number from 0 up without quotes, or leave it out for no limit.',
  )
  return null
}

const fieldsWithMeaning = new Set(['token', 'plan', 'role', 'monthly_attempts'])

function readParams({ id, fields, fault }: Section): Record<string, unknown> {
  const params: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (fieldsWithMeaning.has(name)) continue
    try {
      params[name] = toJson(value)
    } catch {
      fault(name, `${name} of [${id}] is a number that JSON can’t hold`, 'Use a finite number or a text.')
    }
  }
  return params
}

/** Params go into jobs, which are JSON: dates become text, and `nan` or `inf` would silently turn into null. */
function toJson(value: TomlValue): unknown {
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('not a JSON number')
  if (typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJson(inner)]))
}
