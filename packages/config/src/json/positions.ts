/**
 * Finds the line on which each key of a JSON text is written. The parser tells positions of syntax errors only, so this walks
 * a text that has been parsed already, and need not judge it.
 */
import type { Position } from '../toml/positions.ts'

/** Keys of objects and indexes of arrays, as `rules`, `1`, `cron`. A path that is not written falls back to what is around it. */
export function locateJson(text: string): (path: readonly string[]) => Position {
  const found = new Map<string, number>()
  let at = 0
  const skip = (): void => {
    while (/\s/.test(text[at] ?? '')) at += 1
  }
  const string = (): string => {
    const start = at
    at += 1
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
    at += 1
    return JSON.parse(text.slice(start, at)) as string
  }
  const members = (close: string, member: (index: number) => void): void => {
    at += 1
    skip()
    for (let index = 0; text[at] !== close; index += 1) {
      member(index)
      skip()
      if (text[at] === ',') at += 1
      skip()
    }
    at += 1
  }
  const value = (path: readonly string[]): void => {
    skip()
    const key = JSON.stringify(path)
    if (!found.has(key)) found.set(key, at)
    if (text[at] === '{')
      members('}', () => {
        const start = at
        const name = string()
        // A key that is written twice: the parser took the last.
        found.set(JSON.stringify([...path, name]), start)
        skip()
        at += 1
        value([...path, name])
      })
    else if (text[at] === '[') members(']', (index) => value([...path, String(index)]))
    else if (text[at] === '"') string()
    else while (at < text.length && !/[\s,\]}]/.test(text[at] ?? '')) at += 1
  }
  value([])

  return (path) => {
    for (let depth = path.length; depth >= 0; depth -= 1) {
      const offset = found.get(JSON.stringify(path.slice(0, depth)))
      if (offset !== undefined) return positionAt(text, offset)
    }
    return { line: 1, column: 1 }
  }
}

export function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}
