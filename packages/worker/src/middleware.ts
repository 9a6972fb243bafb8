/** What is done around every task: measuring, tracing, opening connections. */
import type { Skill, Task } from './skill.ts'

/**
 * Calls `next` once and returns, or changes, what comes of it; or returns something else instead; or throws. The first of a list
 * is the outermost. `params` are as they came, unchecked; `next` may be given others.
 */
export type Middleware = (
  call: { readonly task: Task; readonly params: unknown },
  next: (params?: unknown) => Promise<unknown>,
) => unknown

export const withMiddleware = (skill: Skill, middleware: readonly Middleware[]): Skill => ({
  ...skill,
  execute: middleware.reduceRight<Skill['execute']>(
    (inner, around) => async (params, task) =>
      await around({ task, params }, (...given) => inner(given.length === 0 ? params : given[0], task)),
    skill.execute,
  ),
})
