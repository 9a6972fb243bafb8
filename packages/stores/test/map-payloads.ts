import type { Payloads } from '../src/offload/payloads.ts'

export interface MapPayloads extends Payloads {
  objects: Map<string, { text: string; modifiedAt: Date }>
  /** What was asked of it, such as `put payloads/…`. */
  asked: string[]
  /** Every call fails, as if the server were away, for keys that contain this. */
  away: string | null
}

/** Payloads in a map: object storage that can be counted, damaged and taken away. */
export const createMapPayloads = (): MapPayloads => {
  const objects: MapPayloads['objects'] = new Map()
  const ask = (what: string, key: string): void => {
    payloads.asked.push(`${what} ${key}`)
    if (payloads.away !== null && key.includes(payloads.away))
      throw Object.assign(new Error('away'), { code: 'UNREACHABLE' })
  }
  const payloads: MapPayloads = {
    objects,
    asked: [],
    away: null,
    put: async (key, body) => {
      ask('put', key)
      objects.set(key, { text: Buffer.from(body).toString(), modifiedAt: new Date() })
    },
    get: async (key) => {
      ask('get', key)
      const object = objects.get(key)
      if (!object) throw Object.assign(new Error('not there'), { code: 'NOT_FOUND' })
      return {
        stream: (async function* () {
          yield Buffer.from(object.text)
        })(),
      }
    },
    list: async (prefix, cursor = null) => {
      ask('list', prefix)
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > (cursor ?? '')).sort()
      const page = keys.slice(0, 3)
      return {
        objects: page.map((key) => ({ key, modifiedAt: objects.get(key)?.modifiedAt ?? new Date() })),
        cursor: keys.length > 3 ? (page.at(-1) ?? null) : null,
      }
    },
    delete: async (key) => {
      ask('delete', key)
      objects.delete(key)
    },
  }
  return payloads
}
