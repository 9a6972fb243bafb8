/** What a worker has warmed up: models in memory, say. Tasks go to warm workers first. */
export interface HotCache {
  /** `name` is loaded now. */
  add(name: string): void
  remove(name: string): void
}

export interface KnownHotCache extends HotCache {
  names(): string[]
}

export const createHotCache = (onChange: () => void): KnownHotCache => {
  const names = new Set<string>()
  return {
    add: (name) => {
      if (names.has(name)) return
      names.add(name)
      onChange()
    },
    remove: (name) => {
      if (names.delete(name)) onChange()
    },
    names: () => [...names],
  }
}
