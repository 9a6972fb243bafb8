/** The process: runs the orchestrator until it is told to stop. */
import { ConfigError } from '@tutti/config'
import { StoreRefusedError } from '@tutti/stores'
import { startOrchestrator } from './start/start.ts'

const run = async (): Promise<void> => {
  const { stop, reload, log } = await startOrchestrator(process.env)
  process.on('SIGHUP', () => {
    reload().catch((error: unknown) => log.error({ err: error }, 'the configuration was not reloaded'))
  })
  let stopping = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      // The second time nobody wants to wait: leases bring back what is lost.
      if (stopping) process.exit(1)
      stopping = true
      log.info({ signal }, 'the orchestrator stops')
      stop().then(
        () => {
          // Nothing is open any more, and the process ends by itself. What was forgotten must not keep it.
          setTimeout(() => {
            log.warn({ open: process.getActiveResourcesInfo() }, 'something is still open: the process is ended')
            process.exit(0)
          }, 2_000).unref()
        },
        (error: unknown) => {
          log.error({ err: error }, 'the orchestrator did not stop cleanly')
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
  console.error(error instanceof Error ? `The orchestrator can't start: ${error.message}` : error)
  // As the commands have it: 3 is for what is missing on this machine.
  process.exit(error instanceof StoreRefusedError ? 3 : 1)
})
