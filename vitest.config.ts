import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{packages,apps,examples}/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/postgres.ts'],
    // Each would load an agent beside the test that is measured by its time-out. Tests of the pool ask for one.
    env: { SANDBOX_POOL: '0' },
    // Real servers, sandboxes and processes: generous, because a time-out is no measurement.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more workers would only make tests wait for one another.
    maxWorkers: 2,
  },
})
