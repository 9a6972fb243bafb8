const mark = Symbol('tutti.outcome')

/** A result with a status of its own, for blueprints that branch on more than success and failure. */
export interface Outcome {
  readonly [mark]: true
  readonly status: string
  readonly data: unknown
}

/** `return outcome('needs_review', { page: 3 })`: the blueprint goes where `on.needs_review` points. */
export const outcome = (status: string, data?: unknown): Outcome => ({ [mark]: true, status, data })

export const isOutcome = (value: unknown): value is Outcome =>
  typeof value === 'object' && value !== null && mark in value
