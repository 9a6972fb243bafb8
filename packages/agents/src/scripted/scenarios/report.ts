/**
 * The scenario of the demonstration: read a folder's measurement, look into the folder, write REPORT.md about it.
 * Every step follows from what the tools really answered; where one failed, the report says so.
 */
import type { Conversation, Exchange } from '../conversation.ts'
import type { Scenario, Step, ToolCall } from '../step.ts'
import { isWriteOf, read, shell, write } from './file-tools.ts'
import { type Measurement, readMeasurement } from './measurement.ts'
import { type Looked, reportText, summaryText } from './report-text.ts'
import { fileText, listedFiles } from './tool-output.ts'

const measurementFile = 'measurement.json'
const reportFile = 'REPORT.md'
const folder = 'folder'

/** What can be quoted line by line. Anything else the model would only pretend to have read. */
const readable = /\.(md|markdown|mdx|rst|txt|adoc|org|html?|ts|tsx|js|mjs|jsx|py|go|rs|java|c|h|cpp|rb|sh|ya?ml|toml)$/i
const readme = /(^|\/)readme(\.[a-z]+)?$/i

const pathOf = ({ input }: Exchange): string => {
  const path = input.file_path ?? input.command
  return typeof path === 'string' ? path : ''
}

const list = ({ tools }: Conversation): ToolCall =>
  tools.has('Glob')
    ? { tool: 'Glob', input: { pattern: `${folder}/**/*` } }
    : shell(`find ${folder} -type f | head -n 500`, 'List the folder')

const plan = ({ tools }: Conversation, done: number): ToolCall[] => {
  const steps = [
    ['Read the measurement', 'Reading the measurement'],
    ['Look into the folder', 'Looking into the folder'],
    ['Write the report', 'Writing the report'],
  ]
  const todos = steps.map(([content, activeForm], index) => ({
    content,
    activeForm,
    status: index < done ? 'completed' : index === done ? 'in_progress' : 'pending',
  }))
  return tools.has('TodoWrite') ? [{ tool: 'TodoWrite', input: { todos } }] : []
}

/** The README nearest to the top, else the two largest files that are text. */
const worthReading = (measurement: Measurement, files: string[]): string[] => {
  const depth = (path: string) => path.split('/').length
  const readmes = files.filter((path) => readme.test(path)).sort((a, b) => depth(a) - depth(b) || (a < b ? -1 : 1))
  if (readmes[0] !== undefined) return readmes.slice(0, 1)
  const largest = measurement.largest
    .map(({ file }) => file)
    .filter((file) => readable.test(file))
    .map((file) => files.find((path) => path === file || path.endsWith(`/${file}`)) ?? `${folder}/${file}`)
  const candidates = largest.length > 0 ? largest : files.filter((path) => readable.test(path)).sort()
  return [...new Set(candidates)].slice(0, 2)
}

const isWrite = isWriteOf(reportFile)

const next = (conversation: Conversation): Step => {
  const { exchanges } = conversation
  const measured = exchanges.find((exchange) => pathOf(exchange).includes(measurementFile))
  if (measured === undefined) {
    return {
      say: ['I read the measurement first, then look into the folder, then write the report.'],
      calls: [...plan(conversation, 0), read(conversation, measurementFile)],
    }
  }
  const measurement = readMeasurement(measured.result)
  const listing = exchanges.find(({ tool, input }) => tool === 'Glob' || String(input.command).startsWith('find '))
  if (listing === undefined) return { calls: [...plan(conversation, 1), list(conversation)] }

  const files = listedFiles(listing.result, conversation.cwd)
  const wanted = worthReading(measurement, files)
  const writes = exchanges.filter(isWrite)
  const reads = exchanges.filter(
    (exchange) => exchange !== measured && exchange !== listing && !isWrite(exchange) && exchange.tool !== 'TodoWrite',
  )
  if (reads.length === 0 && writes.length === 0 && wanted.length > 0) {
    return { calls: wanted.map((path) => read(conversation, path)) }
  }
  const looked: Looked[] = wanted.map((file, index) => ({ file, ...fileText(reads[index]?.result) }))
  const troubles = [measured, listing, ...reads]
    .filter(({ result }) => result === undefined || result.is_error)
    .map(({ tool, result }) => ({ tool, text: result?.text ?? 'no answer' }))
  const facts = { measurement, looked, listed: files.length, troubles }
  const wrote = writes.at(-1)
  if (wrote === undefined)
    return { calls: [...plan(conversation, 2), write(conversation, reportFile, reportText(facts))] }
  if (wrote.result?.is_error !== false) {
    // A file that is already there must be read before it may be overwritten: one second try, then the fault is told.
    const reread = reads.some((exchange) => pathOf(exchange).includes(reportFile))
    if (writes.length === 1 && !reread) return { calls: [read(conversation, reportFile)] }
    if (writes.length === 1) return { calls: [write(conversation, reportFile, reportText(facts))] }
    return { say: [`I could not write ${reportFile}: ${wrote.result?.text ?? 'no answer'}`] }
  }
  const finished = exchanges.at(-1)?.tool === 'TodoWrite'
  const closing = plan(conversation, 3)
  return finished || closing.length === 0 ? { say: [summaryText(facts)] } : { calls: closing }
}

export const report: Scenario = {
  name: 'report',
  applies: ({ prompt }) => prompt.includes(measurementFile) && prompt.includes(reportFile),
  next,
}
