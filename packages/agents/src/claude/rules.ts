/**
 * Whether a rule speaks of a call. A rule is the name of a tool, or the name and in brackets what it is used on. `*` stands for any
 * text in both, `\*` for a star. Pure.
 */

/** What a call works on. */
export type Subject = { kind: 'command'; text: string } | { kind: 'texts'; texts: string[] }

/** What joins, nests or redirects commands: behind it something may follow that nobody has allowed. */
const joins = /[;&|`\n<>]|\$\(/
const separators = /\|\||&&|[;&|`\n()]|\$\(/

export const matchesRule = (rule: string, tool: string, subject: Subject, list: 'allow' | 'ask' | 'deny'): boolean => {
  const [, name = rule, pattern] = /^([^(]+)\((.*)\)$/s.exec(rule.trim()) ?? []
  if (!glob(name.trim(), tool)) return false
  if (pattern === undefined || pattern === '*' || pattern === '**') return true
  if (subject.kind === 'texts') return subject.texts.some((one) => glob(pattern, one))
  const command = subject.text.trim()
  if (list === 'allow') return command === literal(pattern) || (!joins.test(command) && glob(pattern, command))
  // Also as a part of a longer command line: `cd x && git push` pushes.
  return [command, ...command.split(separators).map((part) => part.trim())].some((part) => glob(pattern, part))
}

/** The pattern as the text that it was made of; undefined where it stands for more than one. */
const literal = (pattern: string): string | undefined =>
  /(^|[^\\])(\\\\)*\*/.test(pattern) ? undefined : pattern.replaceAll(/\\([\\*])/g, '$1')

/** Walks both side by side and goes back to the last star only: a pattern with many stars can't take time without end. */
const glob = (pattern: string, given: string): boolean => {
  const parts = tokens(pattern)
  let at = 0
  let part = 0
  let star = -1
  let from = 0
  while (at < given.length) {
    const one = parts[part]
    if (one === '*any*') {
      star = part
      from = at
      part += 1
    } else if (one === given[at]) {
      part += 1
      at += 1
    } else if (star >= 0) {
      part = star + 1
      from += 1
      at = from
    } else return false
  }
  return parts.slice(part).every((one) => one === '*any*')
}

const tokens = (pattern: string): string[] =>
  [...pattern.matchAll(/\\([\\*])|\*+|[\s\S]/g)].map(([whole, escaped]) =>
    escaped !== undefined ? escaped : whole.startsWith('*') ? '*any*' : whole,
  )
