/** Reads what the agent's tools answer: numbered lines of a file, a list of paths. */
import type { Exchange } from '../conversation.ts'

/** An empty last line may have lost its tab to trimming. */
const numbered = /^\s*\d+(?:→|\t|$)/

/** The text of a file as it is on disk: without line numbers. */
export const withoutLineNumbers = (output: string): string => {
  const lines = output.trimEnd().split('\n')
  const meaningful = lines.filter((line) => line.trim() !== '')
  // Only when every line has a number: a text may itself begin its lines with digits.
  if (meaningful.length === 0 || !meaningful.every((line) => numbered.test(line))) return lines.join('\n')
  return lines.map((line) => line.replace(numbered, '')).join('\n')
}

export const fileText = (result: Exchange['result']): { text?: string } =>
  result === undefined || result.is_error ? {} : { text: withoutLineNumbers(result.text) }

/** The paths in a listing, relative to the workspace, without notes such as "No files found" or "truncated". */
export const listedFiles = (result: Exchange['result'], cwd: string | undefined): string[] => {
  if (result === undefined || result.is_error) return []
  const root = cwd === undefined ? undefined : `${cwd.replace(/\/$/, '')}/`
  return result.text
    .split('\n')
    .map((line) => line.trim())
    .map((line) => (root !== undefined && line.startsWith(root) ? line.slice(root.length) : line))
    .filter((line) => line.startsWith('folder/') || line.startsWith('/') || line.startsWith('./'))
}
