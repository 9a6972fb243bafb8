/** The data stores of blueprints: opened when the first handler needs them, closed after the last one has ended. */
import type { LoadedBlueprint } from '../blueprint/registry.ts'

export interface OpenStores {
  readonly stores: Record<string, unknown>
  /** To be called when the handler has really ended. */
  release(): void
}

export interface DataStores {
  /** Opens what is not open yet. @throws Error naming the store that could not be opened; the next handler tries again */
  use(blueprint: LoadedBlueprint): Promise<OpenStores>
  /** Another definition took the blueprint's place: its stores are closed when no handler uses them any more. */
  retire(blueprint: LoadedBlueprint): void
  /** Closes all that is open. */
  close(): Promise<void>
}

interface Held {
  opening: Map<string, Promise<unknown>>
  users: number
  retired: boolean
}

const none: OpenStores = { stores: {}, release: () => {} }

export const createDataStores = (onError: (error: unknown) => void): DataStores => {
  const held = new Map<LoadedBlueprint, Held>()

  const closeAll = async (blueprint: LoadedBlueprint): Promise<void> => {
    const entry = held.get(blueprint)
    held.delete(blueprint)
    await Promise.all(
      [...(entry?.opening ?? [])].map(async ([name, opening]) => {
        try {
          const store = await opening.catch(() => undefined)
          if (store !== undefined) await blueprint.stores[name]?.close?.(store)
        } catch (error) {
          onError(new Error(`${label(blueprint, name)} could not be closed: ${textOf(error)}`, { cause: error }))
        }
      }),
    )
  }
  const settle = (blueprint: LoadedBlueprint, entry: Held): void => {
    if (entry.retired && entry.users === 0) void closeAll(blueprint)
  }
  const open = async (blueprint: LoadedBlueprint, name: string, entry: Held): Promise<unknown> => {
    const opening = entry.opening.get(name) ?? Promise.resolve().then(() => blueprint.stores[name]?.open())
    entry.opening.set(name, opening)
    try {
      return await opening
    } catch (error) {
      if (entry.opening.get(name) === opening) entry.opening.delete(name)
      throw new Error(`${label(blueprint, name)} could not be opened: ${textOf(error)}`, { cause: error })
    }
  }

  return {
    use: async (blueprint) => {
      const names = Object.keys(blueprint.stores)
      if (names.length === 0) return none
      const entry = held.get(blueprint) ?? { opening: new Map(), users: 0, retired: false }
      held.set(blueprint, entry)
      entry.users += 1
      const release = (): void => {
        entry.users -= 1
        settle(blueprint, entry)
      }
      try {
        const opened = await Promise.all(names.map(async (name) => [name, await open(blueprint, name, entry)] as const))
        return { stores: Object.fromEntries(opened), release }
      } catch (error) {
        release()
        throw error
      }
    },
    retire: (blueprint) => {
      const entry = held.get(blueprint)
      if (!entry) return
      entry.retired = true
      settle(blueprint, entry)
    },
    close: async () => {
      await Promise.all([...held.keys()].map(closeAll))
    },
  }
}

const label = (blueprint: LoadedBlueprint, name: string): string =>
  `the data store "${name}" of the blueprint "${blueprint.name}" v${blueprint.version}`

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
