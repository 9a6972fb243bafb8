/** `tutti worker FILE`: runs the worker that a file defines. */

import type { Command } from 'commander'
import { logger } from './options.ts'

export const addWorker = (program: Command): void => {
  program
    .command('worker <file>')
    .description('run the worker that FILE defines (ORCHESTRATOR_URL, WORKER_TOKEN, WORKER_ID)')
    .action(async (file: string) => {
      const { runWorkerFile } = await import('@tutti/worker')
      const log = logger(process.env)
      if (process.connected) process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
      await runWorkerFile(file, { log })
      process.disconnect?.()
    })
}
