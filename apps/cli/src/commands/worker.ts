/** `tutti worker [FILE]`: runs the worker that a file defines, or a folder of them. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { UsageError } from '../faults.ts'
import { endWithParent } from '../stop-signals.ts'
import { logger } from './options.ts'

export const addWorker = (program: Command): void => {
  program
    .command('worker [file]')
    .description(
      'run the worker that FILE, or each file in WORKER_SKILLS_DIR, defines (ORCHESTRATOR_URL, WORKER_TOKEN, WORKER_ID)',
    )
    .action(async (file: string | undefined) => {
      if (file !== undefined && !existsSync(file)) throw new UsageError(`there is no file ${file}`)
      const { runWorkerFile } = await import('@tutti/worker')
      const log = await logger(process.env)
      const letGo = endWithParent()
      await runWorkerFile(file, { log })
      letGo()
    })
}
