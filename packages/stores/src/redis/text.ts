/**
 * How names and numbers are written in Redis.
 *
 * A name may hold anything: spaces, null bytes, halves of surrogate pairs. In keys, members and arguments it is written with printable
 * ASCII alone, so that a space separates names, '' stands for null, and no client or log can garble it. The writing keeps
 * the order of names by code unit, because sorted sets compare bytes: what lies below `#` is written `!` and four digits, what lies above
 * `}` is written `~` and four digits, and the empty name is `!`.
 */

const plain = /^[#-}]+$/

export const nameText = (name: string): string => {
  if (plain.test(name)) return name
  if (name === '') return '!'
  // Without the flag `u`, the expression goes by code units: half a pair is written like any other.
  return name.replace(/[^#-}]/g, (unit) => {
    const code = unit.charCodeAt(0)
    return `${code < 0x23 ? '!' : '~'}${code.toString(16).padStart(4, '0')}`
  })
}

export const parseName = (text: string): string =>
  text === '!'
    ? ''
    : text.replace(/[!~]([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))

/** A name or number that may be missing. */
export const orEmpty = (value: string | number | null | undefined): string =>
  value === null || value === undefined ? '' : typeof value === 'number' ? String(value) : nameText(value)

export const parseNumber = (text: string | null | undefined): number | null =>
  text === null || text === undefined || text === '' ? null : Number(text)

/** 16 hexadecimal digits that sort higher priorities first, exact for every number: the bits of the double, turned over. */
export const priorityText = (priority: number): string => {
  // Adding zero makes 0 of -0, whose bits differ.
  buffer.writeDoubleBE(priority + 0)
  const bits = buffer.readBigUInt64BE()
  const ascending = bits >> 63n === 0n ? bits | (1n << 63n) : ~bits & allBits
  return (~ascending & allBits).toString(16).padStart(16, '0')
}

const buffer = Buffer.alloc(8)
const allBits = (1n << 64n) - 1n
