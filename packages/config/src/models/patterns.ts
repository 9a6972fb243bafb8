/** Whether a name is the one given; `*` in the pattern stands for any text. */
export const matches = (pattern: string, name: string): boolean => {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 's').test(name)
}

/** The value under the name itself, else under the first pattern that fits. */
export const pick = <T>(values: ReadonlyMap<string, T>, name: string): T | undefined => {
  const exact = values.get(name)
  if (exact !== undefined) return exact
  for (const [pattern, value] of values) if (matches(pattern, name)) return value
  return undefined
}
