/** The process: runs the orchestrator until it is told to stop. */
import { ConfigError } from '@tutti/config'
import { StoreRefusedError } from '@tutti/stores'
import { startOrchestrator } from './start/start.ts'

const run = async (): Promise<void> => {
  const starting = startOrchestrator(process.env, { waits: true })
  // Before it has started: unheard, this signal ends a process. One that comes early is done as soon as there is something to reload.
  process.on('SIGHUP', async () => {
    const started = await starting.catch(() => undefined)
    await started
      ?.reload()
      .catch((error: unknown) => started.log.error({ err: error }, 'the configuration was not reloaded'))
  })
  const { stop, log } = await starting
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
