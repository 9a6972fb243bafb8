/** What takes minutes and the network: the images are built, and the stack of deploy/ is started from them. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { root: import.meta.dirname, include: ['*.nightly.ts'], testTimeout: 600_000, hookTimeout: 1_200_000 },
})
