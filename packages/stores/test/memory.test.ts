import { storeConformance } from '../src/conformance/index.ts'
import { createMemoryStore } from '../src/index.ts'

storeConformance('memory', async () => {
  const store = createMemoryStore()
  return { store, second: async () => store, close: () => store.close() }
})
