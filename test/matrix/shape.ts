/** Answers, told apart by what they say and not by what is one request's own. */
import type { Answered } from '../endpoints/call.ts'

/** @param ids of objects that were asked for: which of them it was makes no difference */
export const shapeOf = ({ status, text }: Answered, ids: readonly string[]): string => {
  const longestFirst = [...ids].sort((a, b) => b.length - a.length)
  const timeless = text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
  return `${status} ${longestFirst.reduce((so, id) => so.replaceAll(new RegExp(`\\b${RegExp.escape(id)}\\b`, 'g'), '<id>'), timeless)}`
}
