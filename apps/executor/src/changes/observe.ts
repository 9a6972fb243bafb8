/** The changes of a turn's files, from its beginning on. */
import type { Turn } from '@tutti/contracts'
import { log } from '../log.ts'
import { openBase } from './base.ts'
import { createComparison, type FileChanges } from './compare.ts'
import { createWatch, type Watch } from './watch.ts'

export interface ObserveOptions {
  workspace: string
  /** Patterns of files that are not watched, separated by commas or lines. */
  ignore: string
  env: NodeJS.ProcessEnv
}

/** Resolves when what the turn begins with is known; undefined where changes can't be seen, and the turn goes on without. */
export type Observe = (turn: Turn, put: (event: FileChanges) => Promise<void>) => Promise<Watch | undefined>

export const createObserve =
  ({ workspace, ignore, env }: ObserveOptions): Observe =>
  async (turn, put) => {
    try {
      const base = await openBase({
        ...{ workspace, cwd: turn.cwd, runId: turn.run_id, env },
        ignore: ignore
          .split(/[,\n]/)
          .map((pattern) => pattern.trim())
          .filter((pattern) => pattern !== ''),
      })
      return base && createWatch({ compare: createComparison(base), put })
    } catch (error) {
      log('warn', 'changes of files are not seen', { error: error instanceof Error ? error.message : String(error) })
      return undefined
    }
  }
