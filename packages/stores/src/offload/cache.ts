/** Least recently used first out. */
import type { Json } from '@tutti/contracts'

export interface PayloadCache {
  /** The value is shared by all who read it, and frozen: who could change it would change it for the others. */
  value(key: string): Json | undefined
  put(key: string, text: string): void
  /** Whether this process has seen the payload stored. */
  isStored(key: string): boolean
  stored(key: string): void
}

const mostKeys = 20_000

export const createPayloadCache = (maxBytes: number): PayloadCache => {
  const entries = new Map<string, { text: string | null; value: Json; bytes: number }>()
  const keys = new Set<string>()
  let bytes = 0
  const drop = (key: string): void => {
    bytes -= entries.get(key)?.bytes ?? 0
    entries.delete(key)
  }
  return {
    value(key) {
      const entry = entries.get(key)
      if (!entry) return undefined
      entries.delete(key)
      entries.set(key, entry)
      if (entry.text !== null) {
        entry.value = freeze(JSON.parse(entry.text) as Json)
        entry.text = null
      }
      return entry.value
    },
    put(key, text) {
      drop(key)
      if (text.length > maxBytes) return
      entries.set(key, { text, value: null, bytes: text.length })
      bytes += text.length
      for (const oldest of entries.keys()) {
        if (bytes <= maxBytes) break
        drop(oldest)
      }
    },
    isStored: (key) => keys.has(key),
    stored(key) {
      keys.add(key)
      if (keys.size <= mostKeys) return
      const [oldest] = keys
      if (oldest !== undefined) keys.delete(oldest)
    },
  }
}

export const freeze = (value: Json): Json => {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) freeze(part)
  Object.freeze(value)
  return value
}
