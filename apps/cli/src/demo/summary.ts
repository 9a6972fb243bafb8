/** What the demo prints when it is done: one document, or its story for people. */
import { styleText } from 'node:util'
import type { JobEventView, JobView } from '@tutti/contracts'

export interface DemoSummary {
  job: { id: string; status: string; blueprint: string; duration_ms: number; events: number }
  report: { path: string; bytes: number; object_key: string }
  session: {
    id: string
    messages: number
    tool_calls: number
    input_tokens: number
    output_tokens: number
    cost_usd: number
  }
  workers: { id: string; tasks: number }[]
  model: string
  sandbox: string
  storage: string
}

/** Tasks that each worker finished, from the job's own log. */
export const tasksPerWorker = (history: JobEventView[]): { id: string; tasks: number }[] => {
  const counts = new Map<string, number>()
  for (const { event_type, data } of history)
    if (event_type === 'task_finished')
      counts.set(String(data.worker_id), (counts.get(String(data.worker_id)) ?? 0) + 1)
  return [...counts].map(([id, tasks]) => ({ id, tasks })).sort((a, b) => a.id.localeCompare(b.id))
}

/** The job's log in few lines: runs of the same kind of line are counted together. */
export const timeline = (history: JobEventView[]): string[] => {
  const [first] = history
  if (!first) return []
  const start = Date.parse(first.timestamp)
  const lines: { at: number; text: string; count: number }[] = []
  for (const event of history) {
    const text = describe(event)
    const last = lines.at(-1)
    if (last && last.text === text) last.count += 1
    else lines.push({ at: Date.parse(event.timestamp) - start, text, count: 1 })
  }
  return lines.map(
    ({ at, text, count }) =>
      `${String(at).padStart(7)} ms  ${text}${count > 1 ? styleText('dim', `  × ${count}`) : ''}`,
  )
}

const describe = ({ event_type, state, data }: JobEventView): string => {
  switch (event_type) {
    case 'state_entered':
      return `${data.previous_state} → ${styleText('bold', state)}`
    case 'task_queued':
      return `task ${data.skill} queued`
    case 'task_finished':
      return `task ${data.skill} finished by ${data.worker_id}`
    case 'task_failed':
    case 'task_retried':
    case 'task_lost':
      return `${event_type.replace('_', ' ')} ${data.skill} (attempt ${data.attempt})`
    case 'approval_received':
      return `${data.decision} by ${data.by}`
    default:
      return event_type.replaceAll('_', ' ')
  }
}

export const story = (summary: DemoSummary, job: JobView, history: JobEventView[], dataDir: string): string => {
  const numbers = (job.result as { measurement?: Record<string, unknown> } | null)?.measurement ?? {}
  const count = (value: unknown): string =>
    Array.isArray(value) ? String(value.length) : typeof value === 'number' ? value.toLocaleString('en') : '?'
  return [
    '',
    styleText('bold', 'Timeline'),
    ...timeline(history),
    '',
    styleText('bold', 'Measured'),
    `  ${count(numbers.files)} files, ${count(numbers.lines)} lines, ${count(numbers.words)} words, ${count(numbers.headings)} headings, ${count(numbers.links)} links`,
    `  ${count(numbers.broken_links)} broken links, ${count(numbers.todos)} TODO marks, ${count(numbers.duplicates)} groups of duplicate files`,
    '',
    styleText('bold', 'Who did it'),
    ...summary.workers.map(({ id, tasks }) => `  ${id}: ${tasks} ${tasks === 1 ? 'task' : 'tasks'}`),
    `  model ${summary.model}${summary.model === 'scripted' ? ' (no AI: set ANTHROPIC_API_KEY for a real one)' : ''}, sandbox ${summary.sandbox}, storage ${summary.storage}`,
    `  ${summary.session.tool_calls} tool calls, ${summary.session.input_tokens} tokens in, ${summary.session.output_tokens} out, $${summary.session.cost_usd.toFixed(4)}`,
    '',
    styleText('bold', 'The report'),
    `  ${summary.report.path}  (${summary.report.bytes} bytes)`,
    '',
    styleText('bold', 'Where to look next'),
    '  examples/folder-report   the blueprint and the workers that did this',
    '  npm start                the same stack, staying up',
    '  docs/                    how to write a blueprint, a worker, a client',
    `  ${dataDir}   the state of this run`,
    '',
  ].join('\n')
}
