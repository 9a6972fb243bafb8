/** `npm run demo`: the main job on a real folder, from an empty machine to a report, and what happened on the way. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { runDemo } from '../demo/demo.ts'
import { repositoryRoot } from '../repository.ts'
import type { StackFlags } from './options.ts'

interface DemoFlags extends Pick<StackFlags, 'sandbox' | 'storage' | 'split'> {
  json: boolean
  dataDir?: string
}

export const addDemo = (program: Command): void => {
  program
    .command('demo [folder]')
    .description('run the blueprint folder_report on a real folder (default: this repository)')
    .option('--sandbox <kind>', 'bubblewrap, docker or none', 'bubblewrap')
    .option('--storage <kind>', 'postgres, memory or redis', 'postgres')
    .option('--split', 'each server in a process of its own', false)
    .option('--data-dir <folder>', 'where it keeps its state (default: .tutti/demo in the repository)')
    .option('--json', 'print one JSON document instead of the progress', false)
    .action(async (folder: string | undefined, flags: DemoFlags) => {
      await runDemo({
        folder: resolve(process.env.INIT_CWD ?? process.cwd(), folder ?? repositoryRoot),
        sandbox: flags.sandbox,
        storage: flags.storage,
        split: flags.split,
        json: flags.json,
        dataDir: resolve(flags.dataDir ?? `${repositoryRoot}/.tutti/demo`),
        env: process.env,
      })
    })
}
