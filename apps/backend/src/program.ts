/** The process: runs the backend until it is told to stop. */
import { ConfigError } from '@tutti/config'
import { reasonOf } from '@tutti/telemetry'
import { startBackend } from './start.ts'

const run = async (): Promise<void> => {
  const { stop, log } = await startBackend(process.env, { waits: true })
  let stopping = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      // The second time nobody wants to wait: leases and the sweeper bring back what is lost.
      if (stopping) process.exit(1)
      stopping = true
      log.info({ signal }, 'the backend stops')
      stop().then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: error }, 'the backend did not stop cleanly')
          process.exit(1)
        },
      )
    })
}

run().catch((error: unknown) => {
  if (error instanceof ConfigError) {
    console.error(error.message)
    process.exit(error.exitCode)
  }
  console.error(`The backend can't start: ${reasonOf(error)}`)
  process.exit(1)
})
