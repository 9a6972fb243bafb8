/** The measurement of a folder as the scenario finds it. Every part may be missing, cut off or of the wrong shape. */
import { finite, record, records, text, texts } from '../../loose.ts'
import type { Exchange } from '../conversation.ts'
import { withoutLineNumbers } from './tool-output.ts'

export interface Measurement {
  /** Counts that were present, by name. */
  counts: Partial<Record<(typeof countNames)[number], number>>
  broken_links: { file: string; link: string }[]
  todos: { file: string; line: number | undefined; text: string }[]
  duplicates: string[][]
  largest: { file: string; bytes: number | undefined }[]
  by_extension: [extension: string, count: string][]
  /** Set when the measurement could not be read completely. */
  fault?: string
}

export const countNames = ['files', 'bytes', 'lines', 'words', 'headings', 'links'] as const

const fromJson = (value: unknown): Measurement => {
  const source = record(value)
  const counts: Measurement['counts'] = {}
  for (const name of countNames) {
    const count = finite(source[name])
    if (count !== undefined) counts[name] = count
  }
  return {
    counts,
    broken_links: records(source.broken_links).map(({ file, link }) => ({ file: text(file), link: text(link) })),
    todos: records(source.todos).map((todo) => ({
      file: text(todo.file),
      line: finite(todo.line),
      text: text(todo.text),
    })),
    duplicates: records(source.duplicates)
      .map(({ files }) => texts(files))
      .filter((files) => files.length > 1),
    largest: records(source.largest)
      .map(({ file, bytes }) => ({ file: text(file), bytes: finite(bytes) }))
      .filter(({ file }) => file !== ''),
    by_extension: Object.entries(record(source.by_extension)).map(([extension, count]) => [
      extension,
      typeof count === 'number' ? String(count) : JSON.stringify(count),
    ]),
  }
}

/** What can still be told from a text that stops in the middle: the counts that are written out. */
const fromBrokenJson = (source: string, fault: string): Measurement => {
  const counts: Record<string, number> = {}
  for (const name of countNames) {
    const digits = new RegExp(`"${name}"\\s*:\\s*(\\d+)`).exec(source)?.[1]
    if (digits !== undefined) counts[name] = Number(digits)
  }
  return { ...fromJson(counts), fault }
}

/** Reads the measurement out of a tool's answer. */
export const readMeasurement = (result: Exchange['result']): Measurement => {
  if (result === undefined) return { ...fromJson({}), fault: 'the measurement was not read' }
  if (result.is_error) return { ...fromJson({}), fault: `the measurement could not be read: ${result.text}` }
  const source = withoutLineNumbers(result.text)
  try {
    return fromJson(JSON.parse(source))
  } catch {
    return fromBrokenJson(source, 'the measurement is not complete JSON, so only its counts are used')
  }
}
