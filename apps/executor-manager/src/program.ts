/** The process: runs the manager until it is told to stop. */
import { ConfigError } from '@tutti/config'
import { reasonOf } from '@tutti/telemetry'
import { NoSandboxError, startManager } from './start.ts'

const run = async (): Promise<void> => {
  const { stop, log } = await startManager(process.env, { waits: true })
  let stopping = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // The second time nobody wants to wait: sandboxes end with this process, and leases bring back the runs.
      if (stopping) process.exit(1)
      stopping = true
      log.info({ signal }, 'the manager stops')
      stop().then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: error }, 'the manager did not stop cleanly')
          process.exit(1)
        },
      )
    })
  }
}

run().catch((error: unknown) => {
  if (error instanceof ConfigError || error instanceof NoSandboxError) {
    console.error(error.message)
    process.exit(error.exitCode)
  }
  console.error(`The executor manager can't start: ${reasonOf(error)}`)
  process.exit(1)
})
