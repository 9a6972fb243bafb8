/** `tutti worker FILE`: runs the worker that a file defines. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { UsageError } from '../faults.ts'
import { endWithParent } from '../stop-signals.ts'
import { logger } from './options.ts'

export const addWorker = (program: Command): void => {
  program
    .command('worker <file>')
    .description('run the worker that FILE defines (ORCHESTRATOR_URL, WORKER_TOKEN, WORKER_ID)')
    .action(async (file: string) => {
      if (!existsSync(file)) throw new UsageError(`there is no file ${file}`)
      if (!process.env.WORKER_INDIVIDUAL_TOKEN && !process.env.WORKER_TOKEN)
        throw new UsageError('set WORKER_TOKEN, or WORKER_INDIVIDUAL_TOKEN, to the token of this worker')
      const { runWorkerFile } = await import('@tutti/worker')
      const log = logger(process.env)
      const letGo = endWithParent()
      await runWorkerFile(file, { log })
      letGo()
    })
}
