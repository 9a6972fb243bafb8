/** Files in JSON: any text that begins with `s3://` names one, or with a slash at its end a folder. */
import type { Json } from './json.ts'

export const isAddress = (text: string): boolean => text.startsWith('s3://')

/** A text and where it stands: `a.b[0]`. A key that is no plain name is written as it is; two places may then share a path. */
export interface PlacedText {
  path: string
  text: string
}

/** Every text in the value that `wanted` says yes to, in the order of the value. Keys are no texts. */
export const textsIn = (value: Json, wanted: (text: string) => boolean): PlacedText[] => {
  const found: PlacedText[] = []
  const look = (inner: Json, path: string): void => {
    if (typeof inner === 'string') {
      if (wanted(inner)) found.push({ path, text: inner })
    } else if (Array.isArray(inner)) for (const [at, each] of inner.entries()) look(each, `${path}[${at}]`)
    else if (typeof inner === 'object' && inner !== null)
      for (const [key, each] of Object.entries(inner)) look(each, path === '' ? key : `${path}.${key}`)
  }
  look(value, '')
  return found
}

/** The same value with other texts in it. What `change` answers undefined for stays as it is. */
export const replaceTexts = (value: Json, change: (text: string) => string | undefined): Json => {
  if (typeof value === 'string') return change(value) ?? value
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((inner) => replaceTexts(inner, change))
  // Not by assignment: a key `__proto__` is a key like any other here.
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, replaceTexts(inner, change)]))
}
