/**
 * The parser knows positions of syntax errors only. For faults of meaning this scan finds the line on which a section
 * or a key is written. It decides nothing but where a message points, so a miss costs a less exact line and no more.
 */
import { parse, type TomlTable } from 'smol-toml'

export interface Position {
  line: number
  column: number
}

export function locateKeys(text: string): (path: readonly string[]) => Position {
  const found = new Map<string, Position>()
  const arrays = new Map<string, number>()
  let section: string[] = []
  let open: string | null = null

  text.split(/\r?\n/).forEach((line, index) => {
    const wasOpen = open
    open = multilineAfter(line, open)
    if (wasOpen !== null) return
    const column = line.search(/\S/) + 1
    if (column === 0) return
    const written = line[column - 1] === '[' ? headerPath(line) : keyPath(line, section)
    if (written === null) return
    const path = line[column - 1] === '[' ? indexed(written, arrays, line.startsWith('[[', column - 1)) : written
    if (line[column - 1] === '[') section = path
    const id = JSON.stringify(path)
    // A dotted key also stands for the tables that it makes on the way.
    for (let depth = 1; depth < path.length; depth += 1) {
      const parent = JSON.stringify(path.slice(0, depth))
      if (!found.has(parent)) found.set(parent, { line: index + 1, column })
    }
    if (!found.has(id)) found.set(id, { line: index + 1, column })
  })

  return (path) => {
    for (let depth = path.length; depth > 0; depth -= 1) {
      const position = found.get(JSON.stringify(path.slice(0, depth)))
      if (position !== undefined) return position
    }
    return { line: 1, column: 1 }
  }
}

/** With the index of the element that the header begins or goes on with: the second `[[rules]]` is `rules`, `1`. */
function indexed(path: string[], arrays: Map<string, number>, begins: boolean): string[] {
  const result: string[] = []
  path.forEach((name, at) => {
    result.push(name)
    const id = JSON.stringify(result)
    if (begins && at === path.length - 1) arrays.set(id, (arrays.get(id) ?? -1) + 1)
    const index = arrays.get(id)
    if (index !== undefined) result.push(String(index))
  })
  return result
}

function headerPath(line: string): string[] | null {
  return pathOf(line.replaceAll('[[', '[').replaceAll(']]', ']'))
}

function keyPath(line: string, section: readonly string[]): string[] | null {
  for (let at = line.indexOf('='); at !== -1; at = line.indexOf('=', at + 1)) {
    const path = pathOf(`${line.slice(0, at)}= 0`)
    if (path !== null) return [...section, ...path]
  }
  return null
}

/** The parser itself reads the one line, so that quoting and dots follow its rules. */
function pathOf(line: string): string[] | null {
  let table: TomlTable
  try {
    table = parse(line)
  } catch {
    return null
  }
  const path: string[] = []
  let value: unknown = table
  while (typeof value === 'object' && value !== null) {
    const [entry] = Object.entries(value)
    if (entry === undefined) break
    path.push(entry[0])
    value = entry[1]
  }
  return path.length === 0 ? null : path
}

/** Which multi-line string is open at the end of the line. */
function multilineAfter(line: string, open: string | null): string | null {
  let current = open
  for (const [quotes] of line.matchAll(/"""|'''/g)) {
    if (current === null) current = quotes
    else if (current === quotes) current = null
  }
  return current
}
