/** What people are shown: the job's log as it grows, its timeline, the agent's session, the demo's story. */
import { stripVTControlCharacters } from 'node:util'
import type { JobEventView, JobView, JsonObject, SessionFrame } from '@tutti/contracts'
import { describe, expect, test } from 'vitest'
import { createProgress } from '../src/demo/progress.ts'
import { type DemoSummary, story, tasksPerWorker, timeline } from '../src/demo/summary.ts'
import { createSessionPrinter } from '../src/session/printer.ts'

const jobId = '6f1c0a52-3f0e-4c58-9a55-0d9b2a1e7c01'

const history = (...lines: [type: string, state: string, data?: JsonObject][]): JobEventView[] =>
  lines.map(([event_type, state, data = {}], at) => ({
    event_id: `e${at}`,
    job_id: jobId,
    seq: at + 1,
    timestamp: new Date(Date.UTC(2026, 0, 1) + at * 10).toISOString(),
    event_type,
    state,
    data,
  }))

const whole = history(
  ['job_created', 'scan'],
  ['task_finished', 'scan', { skill: 'folder.scan', worker_id: 'worker-2', duration_ms: 12.4 }],
  ['state_entered', 'measure', { previous_state: 'scan' }],
  ['parallel_started', 'measure', { tasks: 2 }],
  ['task_queued', 'measure', { skill: 'folder.measure' }],
  ['task_queued', 'measure', { skill: 'folder.measure' }],
  ['task_lost', 'measure', { skill: 'folder.measure', attempt: 1 }],
  ['task_finished', 'measure', { skill: 'folder.measure', worker_id: 'worker-1', duration_ms: 3 }],
  ['task_finished', 'measure', { skill: 'folder.measure', worker_id: 'worker-2' }],
  ['parallel_finished', 'measure'],
  ['approval_requested', 'review', { message: 'publish?' }],
  ['approval_received', 'review', { decision: 'approved', by: 'Ada' }],
  ['job_finished', 'done'],
)

const plain = (text: string): string => stripVTControlCharacters(text)

test('the log as it grows: tasks are counted, troubles are shown, the rest is left out', () => {
  let told = ''
  const progress = createProgress((text) => {
    told += text
  })
  for (const event of whole) progress(event)
  expect(plain(told).trimEnd().split('\n')).toEqual([
    'scan',
    '  ✓ folder.scan by worker-2 12 ms',
    'measure',
    '  2 tasks for the workers',
    '  task lost: {"skill":"folder.measure","attempt":1}',
    '  ✓ folder.measure 1/2 by worker-1 3 ms',
    '  ✓ folder.measure 2/2 by worker-2',
    '  waits for a person: publish?',
    '  ✓ approved by Ada',
  ])
})

test('the timeline counts lines that are alike together, from the first line’s time', () => {
  expect(timeline(whole).map(plain)).toEqual([
    '      0 ms  job created',
    '     10 ms  task folder.scan finished by worker-2',
    '     20 ms  scan → measure',
    '     30 ms  parallel started',
    '     40 ms  task folder.measure queued  × 2',
    '     60 ms  task lost folder.measure (attempt 1)',
    '     70 ms  task folder.measure finished by worker-1',
    '     80 ms  task folder.measure finished by worker-2',
    '     90 ms  parallel finished',
    '    100 ms  approval requested',
    '    110 ms  approved by Ada',
    '    120 ms  job finished',
  ])
  expect(timeline([])).toEqual([])
})

test('tasks are counted for the worker that finished them, and workers stand in order', () => {
  expect(tasksPerWorker(whole)).toEqual([
    { id: 'worker-1', tasks: 1 },
    { id: 'worker-2', tasks: 2 },
  ])
  expect(tasksPerWorker([])).toEqual([])
})

describe('the story', () => {
  const summary: DemoSummary = {
    job: { id: jobId, status: 'finished', blueprint: 'folder_report', duration_ms: 120, events: 13 },
    report: { path: '/data/report/REPORT.md', bytes: 720, object_key: 'k' },
    session: { id: 's', messages: 4, tool_calls: 8, input_tokens: 60_108, output_tokens: 599, cost_usd: 0.12345 },
    workers: [
      { id: 'manager', tasks: 1 },
      { id: 'worker-1', tasks: 2 },
    ],
    model: 'scripted',
    sandbox: 'bubblewrap',
    storage: 'memory',
  }
  const jobOf = (result: unknown): JobView => ({ result }) as JobView

  test('names who did it, with what, and says that a scripted model is no AI', () => {
    const measurement = { files: 1200, lines: 5, broken_links: ['a'], todos: [1, 2], duplicates: [] }
    const told = plain(story(summary, jobOf({ measurement }), whole, '/data'))
    expect(told).toContain('  1,200 files, 5 lines, ? words, ? headings, ? links\n')
    expect(told).toContain('  1 broken links, 2 TODO marks, 0 groups of duplicate files\n')
    expect(told).toContain('  manager: 1 task\n  worker-1: 2 tasks\n')
    expect(told).toContain(
      'model scripted (no AI: set ANTHROPIC_API_KEY for a real one), sandbox bubblewrap, storage memory',
    )
    expect(told).toContain('8 tool calls, 60108 tokens in, 599 out, $0.1235')
    expect(told).toContain('/data/report/REPORT.md  (720 bytes)')
  })

  test('of a real model says no such thing, and bears a result without measurement', () => {
    const told = plain(story({ ...summary, model: 'real-one' }, jobOf(null), whole, '/data'))
    expect(told).toContain('model real-one, sandbox')
    expect(told).toContain('? files')
  })
})

describe('the session', () => {
  const printed = (frames: [SessionFrame['type'], JsonObject][], indent = ''): string => {
    let text = ''
    const printer = createSessionPrinter((more) => {
      text += more
    }, indent)
    for (const [type, data] of frames)
      printer.print({ type, data, session_id: jobId, seq: 1, timestamp: '2026-01-01T00:00:00Z' })
    printer.end()
    printer.end()
    return plain(text)
  }

  test('what is said piece by piece stands on one line, and a call begins a new one', () => {
    const text = printed(
      [
        ['session.status', { status: 'running' }],
        ['message.chunk', { kind: 'thinking', text: 'hm' }],
        ['message.chunk', { kind: 'text', text: 'I lo' }],
        ['message.chunk', { kind: 'text', text: 'ok.\nNow.' }],
        ['message.new', { role: 'assistant' }],
        ['tool.call', { tool_name: 'Read', tool_input: { file_path: 'a.md', limit: 3 } }],
        ['tool.result', { tool_output: 'fine', is_error: false }],
        ['tool.call', { tool_name: 'Odd', tool_input: { n: 1 } }],
        ['tool.result', { tool_output: 'no\n  such file', is_error: true }],
        ['run.attempt', { attempt: 2 }],
        ['message.chunk', { kind: 'text', text: 'Done.' }],
      ],
      '  ',
    )
    expect(text).toBe(
      [
        '  session running',
        '  I look.',
        '  Now.',
        '  Read a.md',
        '  Odd {"n":1}',
        '  failed: no such file',
        '  tried again: attempt 2',
        '  Done.',
        '',
      ].join('\n'),
    )
  })

  test('what was not shown live is shown with its message, and nothing is shown twice', () => {
    const message = (text: string, parent_tool_use_id: string | null = null): [SessionFrame['type'], JsonObject] => [
      'message.new',
      { role: 'assistant', content: { content: [{ _type: 'TextBlock', text }], parent_tool_use_id } },
    ]
    const chunk = (text: string, parent_tool_use_id: string | null = null): [SessionFrame['type'], JsonObject] => [
      'message.chunk',
      { kind: 'text', text, parent_tool_use_id },
    ]
    expect(printed([message('All of it.')])).toBe('All of it.\n')
    expect(printed([chunk('All '), chunk('of it.'), message('All of it.')])).toBe('All of it.\n')
    expect(printed([chunk('All '), message('All of it.'), message('More.')])).toBe('All of it.\nMore.\n')
    expect(printed([chunk('of it.'), message('All of it.')])).toBe('of it.\nAll of it.\n')
    expect(printed([chunk('Al', 't'), message('Mine.'), message('All of it.', 't')])).toBe('Al\nMine.\nl of it.\n')
  })

  test('a long command is shortened, and a call without input is still shown', () => {
    const text = printed([
      ['tool.call', { tool_name: 'Bash', tool_input: { command: 'x'.repeat(300) } }],
      ['tool.call', { tool_name: 'Bash', tool_input: null }],
    ])
    expect(text).toBe(`Bash ${'x'.repeat(99)}…\nBash {}\n`)
  })

  test('what an agent says can’t command the terminal', () => {
    let raw = ''
    const printer = createSessionPrinter((more) => {
      raw += more
    })
    const evil = '\u001b]52;c;cm0=\u0007\u009b2J\rgone\tkept'
    const frame = { session_id: jobId, seq: 1, timestamp: '2026-01-01T00:00:00Z' }
    printer.print({ ...frame, type: 'message.chunk', data: { kind: 'text', text: evil } })
    printer.print({ ...frame, type: 'tool.call', data: { tool_name: evil, tool_input: { command: evil } } })
    for (const command of ['\u001b]', '\u0007', '\u009b', '\r']) expect(raw).not.toContain(command)
    expect(plain(raw)).toContain(']52;c;cm0=2Jgone\tkept\n]52;c;cm0=2Jgone')
  })
})
