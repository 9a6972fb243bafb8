/**
 * `kill -9` of every kind of process, at every station of the main job: the job finishes, no step's effect is recorded
 * twice, and the session's log has no gap and no duplicate.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { agentResult, type JobEventView, type SessionFrame } from '@tutti/contracts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientOf, workbenchOf } from '../../apps/cli/src/connect.ts'
import { type Fleet, startFleet, type Victim } from './fleet.ts'

/** Where the job is when the process dies. */
type Station =
  | 'scan: queued'
  | 'measure: fanned out'
  | 'write: queued'
  | 'write: the agent is at work'
  | 'write: the turn is over'
  | 'review: asked'

const stations: Record<Station, (event: JobEventView) => boolean> = {
  'scan: queued': ({ event_type, state }) => event_type === 'task_queued' && state === 'scan',
  'measure: fanned out': ({ event_type }) => event_type === 'parallel_started',
  'write: queued': ({ event_type, state }) => event_type === 'task_queued' && state === 'write',
  'write: the agent is at work': ({ event_type, state }) => event_type === 'task_queued' && state === 'write',
  'write: the turn is over': ({ event_type, state }) => event_type === 'task_queued' && state === 'write',
  'review: asked': ({ event_type }) => event_type === 'approval_requested',
}

const plan: [Victim, Station][] = [
  ['orchestrator', 'scan: queued'],
  ['worker-1', 'measure: fanned out'],
  ['orchestrator', 'measure: fanned out'],
  ['backend', 'write: queued'],
  ['executor-manager', 'write: queued'],
  ['executor', 'write: the agent is at work'],
  ['executor-manager', 'write: the agent is at work'],
  ['backend', 'write: the agent is at work'],
  ['orchestrator', 'write: the agent is at work'],
  ['executor-manager', 'write: the turn is over'],
  ['backend', 'write: the turn is over'],
  ['orchestrator', 'review: asked'],
]

describe('kill -9', () => {
  let folder: string
  let fleet: Fleet

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tutti-kill-folder-'))
    await mkdir(join(folder, 'notes'))
    await writeFile(join(folder, 'README.md'), '# A folder\n\nSee [the notes](notes/a.md) and [nothing](gone.md).\n')
    for (const name of ['a', 'b', 'c', 'd'])
      await writeFile(join(folder, 'notes', `${name}.md`), `# ${name}\n\nTODO: write ${name}\n`.repeat(50))
    fleet = await startFleet(folder)
  })
  afterAll(async () => {
    await fleet?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test.each(plan)('of the %s, at %s', { timeout: 120_000 }, async (victim, station) => {
    const address = {
      apiUrl: fleet.stack.apiUrl,
      backendUrl: fleet.stack.backendUrl,
      clientToken: fleet.stack.secrets.clientToken,
    }
    const client = clientOf(address)
    const { job_id } = await client.jobs.create({ blueprint: 'folder_report', input: { folder } })
    let killed: Promise<boolean> | undefined
    for await (const event of client.jobs.stream(job_id)) {
      if (!killed && stations[station](event)) killed = strike(fleet, victim, station, job_id)
      if (event.event_type === 'approval_requested') {
        await killed
        await untilApproved(() => client.jobs.approve(job_id, { decision: 'approved' }))
      }
    }
    expect(await killed, 'a process was killed').toBe(true)

    const [job, history] = await Promise.all([client.jobs.get(job_id), client.jobs.history(job_id)])
    expect([job.status, job.error]).toEqual(['finished', null])
    expect(history.map((event) => event.seq)).toEqual(history.map((_, at) => at + 1))
    const finished = history.filter(({ event_type }) => event_type === 'task_finished').map(({ data }) => data.task_id)
    expect(new Set(finished).size).toBe(finished.length)
    const queued = history.filter(({ event_type }) => event_type === 'task_queued').map(({ data }) => data.task_id)
    expect(finished.toSorted()).toEqual(queued.toSorted())
    const { measurement, agent } = job.result as { measurement: { files: number; todos: unknown[] }; agent: unknown }
    expect([measurement.files, measurement.todos.length]).toEqual([5, 200])

    const { session_id, run_id } = agentResult.parse(agent)
    const workbench = workbenchOf(address)
    const frames = await readLog(address, session_id)
    expect(frames.map((frame) => frame.seq)).toEqual(frames.map((_, at) => at + 1))
    const messages = await workbench.sessions.messages(session_id)
    const logged = frames.filter(({ type }) => type === 'message.new').map(({ data }) => data.id)
    expect(logged).toEqual(messages.map(({ id }) => id))
    // One question, one last word, however many tries it took.
    expect(
      messages.filter(
        ({ role, content }) => role === 'user' && JSON.stringify(content).includes('You are given a folder'),
      ),
    ).toHaveLength(1)
    expect(frames.filter(({ type, data }) => type === 'session.status' && data.status === 'completed')).toHaveLength(1)
    expect((await workbench.runs.get(run_id)).status).toBe('completed')
    const files = await workbench.sessions.files(session_id)
    expect(files.map(({ path }) => path)).toContain('REPORT.md')
  })
})

/** Stored with the event that ends the turn, before the manager tells of the run's end. */
const isLastWord = ({ type, data }: SessionFrame): boolean =>
  type === 'message.new' && JSON.stringify(data).includes('"ResultMessage"')
const isToolCall = ({ type }: SessionFrame): boolean => type === 'tool.call'

/** Kills the victim when the job is at the station; some are seen in the session's log, not in the job's. */
const strike = async (fleet: Fleet, victim: Victim, station: Station, jobId: string): Promise<boolean> => {
  if (station === 'write: the agent is at work' || station === 'write: the turn is over') {
    const wanted = station === 'write: the turn is over' ? isLastWord : isToolCall
    const workbench = workbenchOf({
      backendUrl: fleet.stack.backendUrl,
      clientToken: fleet.stack.secrets.clientToken,
    })
    for (let found = false; !found; ) {
      const [session] = await workbench.sessions.list({ job_id: jobId })
      if (!session) continue
      const watching = new AbortController()
      for await (const frame of workbench.sessions.stream(session.session_id, { since: 0, signal: watching.signal }))
        if (wanted(frame)) {
          found = true
          break
        }
      watching.abort()
    }
  }
  return fleet.kill(victim)
}

/** An orchestrator that has just been killed is away for a moment; a decision that got through needs no second one. */
const untilApproved = async (approve: () => Promise<void>): Promise<void> => {
  for (;;) {
    try {
      return await approve()
    } catch (error) {
      const { code, status = 0 } = error as { code?: string; status?: number }
      if (code === 'JOB_NOT_WAITING' || code === 'JOB_TERMINAL') return
      if (status >= 400 && status < 500) throw error
    }
  }
}

const readLog = async (
  { backendUrl, clientToken }: { backendUrl: string; clientToken: string },
  sessionId: string,
): Promise<SessionFrame[]> => {
  const response = await fetch(`${backendUrl}/api/v1/sessions/${sessionId}/events?limit=1000`, {
    headers: { authorization: `Bearer ${clientToken}` },
  })
  const { data } = (await response.json()) as { data: { items: SessionFrame[] } }
  return data.items
}
