/** What a handler may return: one action. Plain data, so that the engine's core can judge it without running anything. */
import type { JobError, Json, JsonObject } from '@tutti/contracts'
import type { RetryChoice } from '../job/retry.ts'

export interface TaskSpec {
  skill: string
  params: JsonObject
  priority: number | null
  /** null: the engine's default. */
  timeoutMs: number | null
  concurrencyKey: string | null
  /** null: the engine's default. */
  retry: RetryChoice | null
}

export type Action =
  | { kind: 'go_to'; to: string; data: JsonObject | null }
  | { kind: 'dispatch'; task: TaskSpec; on: Record<string, string> }
  | { kind: 'parallel'; tasks: TaskSpec[]; into: string; failFast: boolean; concurrency: number | null }
  | { kind: 'approval'; message: string; on: Record<string, string>; timeoutMs: number | null }
  | {
      kind: 'run_blueprint'
      blueprint: string
      version: number
      start: string
      input: JsonObject
      on: Record<string, string>
    }
  | { kind: 'finish'; output: Json }
  | { kind: 'fail'; error: JobError; output: Json }

/** The states an action can lead to: checked against what the state declares before the action is taken. */
export const targets = (action: Action): string[] => {
  switch (action.kind) {
    case 'go_to':
      return [action.to]
    case 'parallel':
      return [action.into]
    case 'dispatch':
    case 'approval':
    case 'run_blueprint':
      return Object.values(action.on)
    case 'finish':
    case 'fail':
      return []
  }
}
