/** Finds `[text](target)` and `![alt](target)` in lines of Markdown. */

export interface InlineLinks {
  /** Targets of the links that end in this line. Text of a link may have begun in the line before. */
  line(text: string): string[]
  /** A paragraph ends: brackets that are still open were none of a link. */
  paragraphEnd(): void
}

/** Bounds the work on a line of nothing but brackets. */
const longestTarget = 2_048

export const createInlineLinks = (): InlineLinks => {
  let open = 0
  return {
    paragraphEnd: () => {
      open = 0
    },
    line: (text) => {
      const targets: string[] = []
      const unclosed = new Set<number>()
      for (let at = 0; at < text.length; at += 1) {
        const char = text[at]
        if (char === '\\') at += 1
        else if (char === '`') at = skipCode(text, at, unclosed)
        else if (char === '[') open += 1
        else if (char === ']' && open > 0) {
          open -= 1
          const target = text[at + 1] === '(' ? readTarget(text, at + 2) : undefined
          if (target === undefined) continue
          if (target.text !== '') targets.push(target.text)
          at = target.end
        }
      }
      return targets
    },
  }
}

/** From the first of some backticks: to the last of their closing ones, or of themselves when nothing closes them. */
const skipCode = (text: string, from: number, unclosed: Set<number>): number => {
  const length = runLength(text, from)
  // Remembered, or a line of backticks would be searched to its end from each of them.
  if (unclosed.has(length)) return from + length - 1
  for (let at = text.indexOf('`', from + length); at >= 0; ) {
    const found = runLength(text, at)
    if (found === length) return at + length - 1
    at = text.indexOf('`', at + found)
  }
  unclosed.add(length)
  return from + length - 1
}

const runLength = (text: string, from: number): number => {
  let to = from
  while (text[to] === '`') to += 1
  return to - from
}

/** What stands between the parentheses, without a title; `end` is where the target ends. */
const readTarget = (text: string, from: number): { text: string; end: number } | undefined => {
  let start = from
  while (text[start] === ' ' || text[start] === '\t') start += 1
  const last = Math.min(text.length, start + longestTarget)
  if (text[start] === '<') {
    const end = text.slice(start, last).indexOf('>')
    return end < 0 ? undefined : { text: text.slice(start + 1, start + end), end: start + end }
  }
  let depth = 0
  for (let at = start; at < last; at += 1) {
    const char = text[at]
    if (char === '\\') at += 1
    else if (char === ' ' || char === '\t') return { text: text.slice(start, at), end: at }
    else if (char === '(') depth += 1
    else if (char === ')' && depth === 0) return { text: text.slice(start, at), end: at }
    else if (char === ')') depth -= 1
  }
  return undefined
}
