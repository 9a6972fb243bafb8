/** So many in so much time, as people write it: `100/1m`. */
export interface Rate {
  count: number
  perMs: number
}

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `5/1s`, `100/m`, `1000/12h`; null for anything else. */
export function readRate(text: string): Rate | null {
  const [, count = '', times = '', unit = ''] = /^(\d{1,9})\s*\/\s*(\d{0,6})\s*(ms|s|m|h|d)$/.exec(text.trim()) ?? []
  const rate = { count: Number(count), perMs: (times === '' ? 1 : Number(times)) * (units[unit] ?? 0) }
  return rate.count > 0 && rate.perMs > 0 ? rate : null
}
