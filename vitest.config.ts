import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{packages,apps,examples}/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/postgres.ts'],
    // Real servers, sandboxes and processes: generous, because a time-out is no measurement.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 20_000, interval: 20 } },
    // Two cores: more workers would only make tests wait for one another.
    maxWorkers: 2,
    // One file after the other in the same process: nothing here keeps state in its modules, and a process for each file, with all that it
    // imports, was four tenths of the processor's time of the tests that need none (75 s to 42 s for engine, config and contracts).
    isolate: false,
  },
})
