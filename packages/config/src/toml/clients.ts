import type { Fault } from '../fault.ts'
import { type Rate, readRate } from '../variables/rate.ts'
import { httpUrl } from '../variables/schemas.ts'
import type { TomlSource } from './read-toml.ts'
import { checkId, isTable, type PlaceOf, readSections, type Section, toJson } from './sections.ts'
import { tokenReader } from './token-field.ts'

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
  /** Requests of this client; `null`: what RATE_LIMIT_LIMIT says. */
  rateLimit: Rate | null
  /** Where the ends of its jobs are told when a job names no address of its own. */
  webhookUrl: string | null
  /** Every field of the section that has no meaning of its own, for blueprints. JSON only. */
  params: Readonly<Record<string, unknown>>
}

export type ClientsResult =
  | { clients: Client[]; place: PlaceOf; faults?: undefined }
  | { faults: Fault[]; clients?: undefined; place?: undefined }

/** The fields of a section that have a meaning, for the reference. */
export const clientFields = {
  token: 'Text, needed. What the client sends in X-Avtomatika-Token or X-Client-Token; nobody else may have it.',
  plan: 'Text. The name of its plan; handlers read it as `client.plan`.',
  monthly_attempts: 'Whole number. Jobs that it may create in a calendar month; left out: any number.',
  role: '"client" (as without it), "operator" or "admin". An operator may reload the files, an admin everything.',
  rate_limit: 'Text such as "100/1m". Requests that it may make in a time; left out: RATE_LIMIT_LIMIT.',
  webhook_url: 'Text. Where the ends of its jobs are told when a job names no address of its own.',
  params: 'Table. Its fields are params as well, for files that set them apart from the rest.',
} as const

/** Reads clients.toml: all clients, or all faults. A file without sections is valid and lets nobody in. */
export function readClients(source: TomlSource): ClientsResult {
  const readToken = tokenReader('client')
  const { entries, place, faults } = readSections(source, 'client', (section): Client => {
    checkId(section, 'client')
    return {
      id: section.id,
      tokenHash: readToken(section)?.hash ?? '',
      plan: readPlan(section),
      role: readRole(section),
      monthlyAttempts: readMonthlyAttempts(section),
      rateLimit: readRateLimit(section),
      webhookUrl: readWebhookUrl(section),
      params: readParams(section),
    }
  })
  return faults ? { faults } : { clients: entries, place }
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

function readRateLimit({ id, fields, fault }: Section): Rate | null {
  const { rate_limit: written } = fields
  if (written === undefined) return null
  const rate = typeof written === 'string' ? readRate(written) : null
  if (rate === null) fault('rate_limit', `rate_limit of [${id}] is not a rate`, 'Write count/time, such as "100/1m".')
  return rate
}

function readWebhookUrl({ id, fields, fault }: Section): string | null {
  const { webhook_url: url } = fields
  if (url === undefined) return null
  if (typeof url === 'string' && httpUrl.safeParse(url).success) return url
  fault('webhook_url', `webhook_url of [${id}] is not an http or https address`, 'Give the whole address, in quotes.')
  return null
}

/** Fields without a meaning, and those of a table `params`: people who knew only the one form or the other find both working. */
function readParams({ id, fields, fault }: Section): Record<string, unknown> {
  const own = Object.entries(fields).filter(([name]) => !Object.hasOwn(clientFields, name))
  const { params: table } = fields
  if (table !== undefined && !isTable(table))
    fault('params', `params of [${id}] is not a table`, 'Write [ID.params] with fields, or params = { … }.')
  const nested = isTable(table) ? Object.entries(table) : []
  const params: Record<string, unknown> = {}
  for (const [name, value] of [...own, ...nested]) {
    if (Object.hasOwn(params, name)) {
      fault('params', `“${name}” stands in [${id}] and in its params`, 'Leave one of the two.')
      continue
    }
    try {
      params[name] = toJson(value)
    } catch {
      fault(name, `${name} of [${id}] is a number that JSON can’t hold`, 'Use a finite number or a text.')
    }
  }
  return params
}
