import type { JsonObject } from '@tutti/contracts'
import type { Blueprint } from './blueprint.ts'
import { plain } from './context.ts'

/** The input as the job keeps it, defaults filled in; or the first fault, with its place in the input. */
export const checkInput = (
  blueprint: Blueprint,
  input: JsonObject,
): { input: JsonObject } | { fault: string; path: string[] } => {
  if (!blueprint.input) return { input }
  const parsed = blueprint.input.safeParse(input)
  if (parsed.success) return { input: plain(parsed.data) as JsonObject }
  const [issue] = parsed.error.issues
  return { fault: issue?.message ?? 'refused', path: (issue?.path ?? []).map(String) }
}
