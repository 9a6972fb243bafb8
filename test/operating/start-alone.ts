/** Starts an orchestrator from the environment, and leaves it to the process to end: what is left open would keep it. */
import { startOrchestrator } from '@tutti/orchestrator'

startOrchestrator(process.env).then(
  ({ stop }) => stop(),
  (error: Error & { exitCode?: number }) => {
    console.error(`${error.name}: ${error.message}`)
    process.exitCode = error.exitCode ?? 1
  },
)
