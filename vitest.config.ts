import { defineConfig } from 'vitest/config'
import { EarlyFirst } from './test/early-first.ts'

export default defineConfig({
  test: {
    include: ['{packages,apps,examples}/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/postgres.ts'],
    // Each would load an agent beside the test that is measured by its time-out. Tests of the pool ask for one.
    env: { SANDBOX_POOL: '0' },
    // Real servers, sandboxes and processes: generous, because a time-out is no measurement.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000, interval: 20 } },
    // On two cores: with three at a time the processors were idle four tenths of the time (1,257 s of work in 18 minutes), because
    // the long ones wait for leases and other processes.
    maxWorkers: 4,
    sequence: { sequencer: EarlyFirst },
    // One file after the other in the same process: a process for each, with all that it imports, was four tenths of the processor's time of
    // engine, config and contracts (75 s, and 42 s without). So a module of support must not call `afterEach` by itself: it is loaded
    // once, and only the first file would have it.
    isolate: false,
  },
})
