/** Where a simulation takes place: a Store that nobody else uses, and the time it runs in. */
import type { Store } from '@tutti/engine'
import { createMemoryStore } from '../memory/memory-store.ts'
import { createWorld, type World } from './world.ts'

export interface Stage {
  store: Store
  world: World
  /**
   * The Store takes effect in the order in which it is called, and its answers come in that order: then nothing at all may look
   * wrong for a moment, and a seed can be replayed.
   */
  exact: boolean
  close(): Promise<void>
}

/** Opens a stage of its own for one seed. Any Store will do: see `Stage`. */
export type OpenStage = (tools: { newToken: () => string }) => Promise<Stage>

export const memoryStage: OpenStage = async ({ newToken }) => {
  const world = createWorld()
  const store = createMemoryStore({ now: world.now, newToken })
  return { store, world, exact: true, close: () => store.close() }
}
