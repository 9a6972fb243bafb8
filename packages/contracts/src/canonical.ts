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
    .sort(([a], [b]) => compareBytes(a, b))
    .map(([key, inner]) => `${JSON.stringify(key)}:${write(inner)}`)
  return `{${members.join(',')}}`
}

/** Texts in the order of their UTF-8, which is that of their code points. Comparing code units would put 😀 before ｡. */
const compareBytes = (a: string, b: string): number => {
  if (!/[\ud800-\udfff]/.test(a + b)) return a < b ? -1 : 1
  const [left, right] = [Array.from(a, codePoint), Array.from(b, codePoint)]
  const at = left.findIndex((each, index) => each !== right[index])
  return at < 0 ? left.length - right.length : (left[at] ?? 0) - (right[at] ?? -1)
}
const codePoint = (character: string): number => character.codePointAt(0) ?? 0

const isThere = (value: unknown): boolean => value !== null && value !== undefined
