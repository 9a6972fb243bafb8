/** `npm run demo`: the main job on a real folder, from an empty machine to a report, and what happened on the way. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { handOver, printDocument } from '../demo/document.ts'
import { repositoryRoot } from '../repository.ts'
import { endWithParent } from '../stop-signals.ts'
import { type StackFlags, sandboxOption, storageOption } from './options.ts'

interface DemoFlags extends Pick<StackFlags, 'sandbox' | 'storage' | 'split'> {
  json: boolean
  dataDir?: string
}

export const addDemo = (program: Command): void => {
  program
    .command('demo [folder]')
    .description('run the blueprint folder_report on a real folder (default: this repository)')
    .addOption(sandboxOption())
    .addOption(storageOption())
    .option('--split', 'each server in a process of its own', false)
    .option('--data-dir <folder>', 'where it keeps its state (default: .tutti/demo in the repository)')
    .option('--json', 'print one JSON document instead of the progress', false)
    .action(async (folder: string | undefined, flags: DemoFlags) => {
      if (flags.json && !handOver) {
        process.exitCode = await printDocument(process.argv.slice(2))
        return
      }
      const letGo = endWithParent()
      // npm runs scripts in the repository, wherever the person stands.
      const here = process.env.INIT_CWD ?? process.cwd()
      const { runDemo } = await import('../demo/demo.ts')
      await runDemo({
        folder: resolve(here, folder ?? repositoryRoot),
        sandbox: flags.sandbox,
        storage: flags.storage,
        split: flags.split,
        onSummary: handOver,
        dataDir: resolve(here, flags.dataDir ?? `${repositoryRoot}/.tutti/demo`),
        env: process.env,
      })
      letGo()
    })
}
