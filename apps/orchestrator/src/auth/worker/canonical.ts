/**
 * The one way to write a message down that its signature is made of: JSON without blanks and without nulls, keys in the order of their
 * bytes, without the signature itself. Languages agree on it, save for the spelling of numbers that need an exponent.
 */
const leftOut = new Set(['security', 'bubbling_chain'])

export const canonicalJson = (message: Record<string, unknown>): string =>
  write(Object.fromEntries(Object.entries(message).filter(([key]) => !leftOut.has(key))))

const write = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.filter(isThere).map(write).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value)
    .filter(([, inner]) => isThere(inner))
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([key, inner]) => `${JSON.stringify(key)}:${write(inner)}`)
  return `{${members.join(',')}}`
}

const isThere = (value: unknown): boolean => value !== null && value !== undefined
