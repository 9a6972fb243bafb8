/**
 * Takes secrets out of what is logged: by the name of the field, at any depth, and by the shape of the text. A list of
 * paths would miss the same field one level further down, and a secret in a log file is out for good.
 */
import { stdSerializers } from 'pino'

const redacted = '[redacted]'
const deepest = 8

/** What every line already has; a second key of the same name would let a field overwrite it. */
const ownNames = ['level', 'time', 'name', 'msg']

/** A copy of the fields without secrets, safe to serialise: no cycles, no throwing getters, no binary. */
export function redactFields(fields: object): Record<string, unknown> {
  const result = copyObject(fields instanceof Error ? { err: fields } : fields, new Set())
  for (const name of ownNames) {
    if (!(name in result)) continue
    result[`${name}_`] = result[name]
    delete result[name]
  }
  return result
}

/** Masks what looks like a secret within a text: passwords in addresses, bearer tokens, signatures of links. */
export function redactText(text: string): string {
  let result = text
  if (result.includes('://')) {
    result = result.replace(/(:\/\/[^\s/:@]*):[^\s/@]+@/g, `$1:${redacted}@`)
  }
  if (result.includes('=')) {
    result = result.replace(/([?&][\w-]*(?:signature|token|secret|api_?key|password)=)[^&#\s"]+/gi, `$1${redacted}`)
  }
  return /bearer/i.test(result) ? result.replace(/(bearer\s+)[\w.~+/=-]+/gi, `$1${redacted}`) : result
}

const secretNames =
  /(token|tokens|secret|secrets|password|passwd|authorization|apikey|secretkey|accesskey|privatekey|signingkey|cookie|cookies|credential|credentials|signature|databaseurl)$/

/** Numbers are no secrets: `input_tokens` is a count. */
function isSecret(name: string, value: unknown): boolean {
  if (value === null || !['string', 'object'].includes(typeof value) || value === '') return false
  return secretNames.test(name.toLowerCase().replaceAll(/[-_.]/g, ''))
}

function copy(value: unknown, around: Set<object>): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (around.has(value)) return '[circular]'
  if (around.size >= deepest) return '[deeper]'
  around.add(value)
  try {
    if (value instanceof Uint8Array) return `[${value.length} bytes]`
    if (value instanceof Error) return copyObject(stdSerializers.err(value), around)
    if (Array.isArray(value)) return value.map((item) => copy(item, around))
    if (value instanceof Map || value instanceof Set) return [...value].map((item) => copy(item, around))
    if ('toJSON' in value && typeof value.toJSON === 'function') return copy(value.toJSON(), around)
    return copyObject(value, around)
  } catch {
    return '[unreadable]'
  } finally {
    around.delete(value)
  }
}

function copyObject(object: object, around: Set<object>): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const name of Object.keys(object)) {
    const value = readProperty(object, name)
    result[name] = isSecret(name, value) ? redacted : copy(value, around)
  }
  return result
}

function readProperty(object: object, name: string): unknown {
  try {
    return Reflect.get(object, name)
  } catch {
    return '[unreadable]'
  }
}
