/** REPORT.md, made from what the tools said. Lists are cut and say so: a report is for reading. */
import { countNames, type Measurement } from './measurement.ts'

/** A file that the scenario read; `text` is absent when reading failed. */
export interface Looked {
  file: string
  text?: string
}

export interface Facts {
  measurement: Measurement
  looked: Looked[]
  /** How many files the listing showed. */
  listed: number
  troubles: { tool: string; text: string }[]
}

const longestList = 20
const longestLine = 200

const line = (text: string): string => {
  const flat = text.replaceAll(/\s+/g, ' ').trim()
  return flat.length > longestLine ? `${flat.slice(0, longestLine)}…` : flat
}

/** A name in backticks; a backtick inside would end them early. */
const code = (text: string): string => `\`${line(text).replaceAll('`', "'") || '?'}\``

const amount = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`

const bullets = (title: string, items: string[], none: string): string[] => [
  `## ${title}`,
  '',
  ...(items.length === 0 ? [none] : items.slice(0, longestList).map((item) => `- ${item}`)),
  ...(items.length > longestList ? [`- … and ${items.length - longestList} more`] : []),
  '',
]

const labels: Record<(typeof countNames)[number], string> = {
  files: 'Files',
  bytes: 'Bytes',
  lines: 'Lines',
  words: 'Words',
  headings: 'Headings',
  links: 'Links',
}

const numbers = ({ measurement }: Facts): string[] => {
  const { counts, broken_links, todos, duplicates } = measurement
  const rows = countNames.flatMap((name) => {
    const count = counts[name]
    return count === undefined ? [] : [`| ${labels[name]} | ${count.toLocaleString('en-US')} |`]
  })
  return [
    '## Numbers',
    '',
    '| | |',
    '|---|---:|',
    ...rows,
    `| Broken links | ${broken_links.length} |`,
    `| TODO marks | ${todos.length} |`,
    `| Groups of identical files | ${duplicates.length} |`,
    '',
  ]
}

const quotation = ({ file, text }: Looked): string[] => {
  if (text === undefined) return [`${code(file)} could not be read.`, '']
  const lines = text.split('\n').filter((candidate) => candidate.trim() !== '')
  if (lines.length === 0) return [`${code(file)} is empty.`, '']
  const heading = lines.find((candidate) => /^#{1,6}\s/.test(candidate))?.replace(/^#+\s*/, '')
  const opening = lines.filter((candidate) => !/^#{1,6}\s/.test(candidate)).slice(0, 3)
  return [
    heading === undefined ? `${code(file)} begins:` : `${code(file)} is headed “${line(heading)}” and begins:`,
    '',
    ...opening.map((candidate) => `> ${line(candidate)}`),
    '',
  ]
}

export const reportText = (facts: Facts): string => {
  const { measurement, looked, listed, troubles } = facts
  const { counts, broken_links, todos, duplicates, largest, by_extension, fault } = measurement
  const empty = counts.files === 0 || (counts.files === undefined && listed === 0)
  return [
    '# Report on the folder',
    '',
    'This report was written by the scripted model of Tutti, not by an AI model. Its numbers come from `measurement.json`; what it quotes was read from the folder by the agent’s tools.',
    '',
    ...(empty ? ['The folder holds no files.', ''] : []),
    ...numbers(facts),
    '## What is in it',
    '',
    ...(looked.length === 0
      ? ['No README and no other text file was found to read.', '']
      : looked.flatMap((file) => quotation(file))),
    ...bullets(
      'Largest files',
      largest.map(({ file, bytes }) => (bytes === undefined ? code(file) : `${code(file)}: ${amount(bytes, 'byte')}`)),
      'None were measured.',
    ),
    ...bullets(
      'Broken links',
      broken_links.map(({ file, link }) => `${code(file)} → ${code(link)}`),
      'None were found.',
    ),
    ...bullets(
      'TODO marks',
      todos.map(
        (todo) => `${code(todo.line === undefined ? todo.file : `${todo.file}:${todo.line}`)} ${line(todo.text)}`,
      ),
      'None were found.',
    ),
    ...bullets(
      'Identical files',
      duplicates.map((files) => files.map(code).join(' = ')),
      'None were found.',
    ),
    ...(by_extension.length === 0
      ? []
      : bullets(
          'Kinds of files',
          by_extension.map(([extension, count]) => `${code(extension)}: ${line(count)}`),
          '',
        )),
    ...(fault === undefined && troubles.length === 0
      ? []
      : bullets(
          'What went wrong while looking',
          [
            ...(fault === undefined ? [] : [line(fault)]),
            ...troubles.map(({ tool, text }) => `${tool}: ${line(text)}`),
          ],
          '',
        )),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n')
}

/** What the model says at the end, in a chat's length. */
export const summaryText = ({ measurement, looked, troubles }: Facts): string => {
  const { counts, broken_links, todos, duplicates, fault } = measurement
  const size = [
    counts.files === undefined ? undefined : amount(counts.files, 'file'),
    counts.lines === undefined ? undefined : amount(counts.lines, 'line'),
    counts.words === undefined ? undefined : amount(counts.words, 'word'),
  ].filter((part) => part !== undefined)
  const read = looked.filter(({ text }) => text !== undefined).map(({ file }) => code(file))
  return [
    'I wrote `REPORT.md`.',
    size.length === 0 ? 'The measurement gave no sizes.' : `The folder holds ${size.join(', ')}.`,
    `I found ${amount(broken_links.length, 'broken link')}, ${amount(todos.length, 'TODO mark')} and ${amount(duplicates.length, 'group')} of identical files.`,
    read.length === 0 ? 'There was no text file to quote.' : `I quoted ${read.join(' and ')}.`,
    fault === undefined && troubles.length === 0 ? '' : 'Some things went wrong on the way; the report lists them.',
    'I am the scripted model, not an AI model.',
  ]
    .filter((sentence) => sentence !== '')
    .join(' ')
}
