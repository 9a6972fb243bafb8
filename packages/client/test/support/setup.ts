import type { JobEventView, JobView } from '@tutti/contracts'
import { expect, onTestFinished, vi } from 'vitest'
import { type ConnectionOptions, createClient, createWorkbench } from '../../src/index.ts'
import { startServer, type TestServer } from './server.ts'

export const testServer = async (...handlers: Parameters<typeof startServer>): Promise<TestServer> => {
  const server = await startServer(...handlers)
  onTestFinished(server.close)
  return server
}

/** Waits for a condition; the limit only keeps a broken test from hanging. */
export const until = (condition: () => unknown): Promise<void> =>
  vi.waitFor(() => expect(condition()).toBeTruthy(), { interval: 2, timeout: 20_000 })

const quick = { retry: { attempts: 4, firstMs: 1, maxMs: 2 }, token: 'a-token' }
export const clientOf = ({ url }: { url: string }, options: Partial<ConnectionOptions> = {}) =>
  createClient({ url, ...quick, ...options })
export const workbenchOf = ({ url }: { url: string }, options: Partial<ConnectionOptions> = {}) =>
  createWorkbench({ url, ...quick, ...options })

export const jobId = '6f1f64a5-2f6a-4d3e-9a35-0d3a8e0d9d11'
const instant = '2030-01-01T00:00:00.000Z'

export const aJob = (fields: Partial<JobView> = {}): JobView => ({
  id: jobId,
  blueprint: 'transcode',
  version: 1,
  status: 'finished',
  current_state: 'done',
  input: {},
  data: {},
  result: { ok: true },
  error: null,
  waiting_for: null,
  progress: null,
  progress_message: null,
  priority: 0,
  tags: [],
  metadata: {},
  origin: { kind: 'api' },
  parent_job_id: null,
  compensating: false,
  seq: 0,
  created_at: instant,
  start_at: null,
  updated_at: instant,
  finished_at: instant,
  deadline_at: null,
  ...fields,
})

export const aLine = (seq: number, event_type = 'state_entered'): JobEventView => ({
  event_id: `event-${seq}`,
  job_id: jobId,
  seq,
  timestamp: instant,
  event_type,
  state: 'probe',
  data: { text: 'a “quoted” line\nand a second' },
})

/** A whole log: `count` lines, the last of which ends the job. */
export const aLog = (count: number, ending = 'job_finished'): JobEventView[] =>
  Array.from({ length: count }, (_, index) => aLine(index + 1, index + 1 === count ? ending : 'state_entered'))

export const sseFrame = (line: JobEventView): string =>
  `id: ${line.seq}\nevent: ${line.event_type}\ndata: ${JSON.stringify(line)}\n\n`

export const collect = <T>(items: AsyncIterable<T>): Promise<T[]> => Array.fromAsync(items)
