/** What a handler may return: one action. Plain data, so that the engine's core can judge it without running anything. */
import type { JobError, Json, JsonObject } from '@tutti/contracts'
import type { Needs, Strategy } from '../job/needs.ts'
import type { RetryChoice } from '../job/retry.ts'

/** A task as the blueprint asks for it. null everywhere: as the job or the engine has it. */
export interface TaskSpec {
  skill: string
  params: JsonObject
  priority: number | null
  timeoutMs: number | null
  needs: Needs
  strategy: Strategy
  /** To the worker of the job's last task (true), or of the task of that state. */
  sticky: true | string | null
  /** To any worker but that one. */
  avoid: true | string | null
  concurrencyKey: string | null
  concurrencyLimit: number
  fairKey: string | null
  pickupMs: number | null
  resultMs: number | null
  retry: RetryChoice | null
}

/** A job, in the place of a task. `timeoutMs` null: it may take as long as it takes. */
export interface ChildSpec {
  blueprint: string
  version: number
  start: string
  input: JsonObject
  timeoutMs: number | null
}

export const isChild = (spec: TaskSpec | ChildSpec): spec is ChildSpec => 'blueprint' in spec

export type Action =
  | { kind: 'go_to'; to: string; data: JsonObject | null }
  | { kind: 'dispatch'; task: TaskSpec; on: Record<string, string>; onEvent: Record<string, string> }
  | {
      kind: 'parallel'
      tasks: (TaskSpec | ChildSpec)[]
      into: string
      failFast: boolean
      concurrency: number | null
      quorum: number | null
    }
  | {
      kind: 'approval'
      message: string
      on: Record<string, string>
      timeoutMs: number | null
      assignees: string[]
      escalate: { afterMs: number; to: string }[]
    }
  | (ChildSpec & { kind: 'run_blueprint'; on: Record<string, string> })
  | { kind: 'wait_for_event'; name: string; on: Record<string, string>; timeoutMs: number | null }
  /** For so long from now, or until an instant. */
  | { kind: 'sleep'; to: string; ms: number }
  | { kind: 'sleep_until'; to: string; until: number }
  | { kind: 'finish'; output: Json }
  | { kind: 'fail'; error: JobError; output: Json }
  /** What this state undoes is undone. */
  | { kind: 'undone' }

/** The states an action can lead to: checked against what the state declares before the action is taken. */
export const targets = (action: Action): string[] => {
  switch (action.kind) {
    case 'go_to':
    case 'sleep':
    case 'sleep_until':
      return [action.to]
    case 'parallel':
      return [action.into]
    case 'dispatch':
      return [...Object.values(action.on), ...Object.values(action.onEvent)]
    case 'approval':
    case 'run_blueprint':
    case 'wait_for_event':
      return Object.values(action.on)
    case 'finish':
    case 'fail':
    case 'undone':
      return []
  }
}
