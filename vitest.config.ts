import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{packages,apps,examples}/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/postgres.ts'],
    // Real servers, sandboxes and processes: generous, because a time-out is no measurement.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // On two cores: many of the tests wait for leases and processes, and with two of them half of the processors' time was idle.
    maxWorkers: 3,
  },
})
