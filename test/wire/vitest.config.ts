/** The tests of this folder against a server that is named: nothing is started for them. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { root: import.meta.dirname, testTimeout: 60_000, maxWorkers: 2, isolate: false },
})
