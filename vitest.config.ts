import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{packages,apps,examples}/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/postgres.ts'],
    // Real servers, sandboxes and processes: generous, because a time-out is no measurement.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more workers would only make tests wait for one another.
    maxWorkers: 2,
  },
})
