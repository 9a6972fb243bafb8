/**
 * What Prometheus is told. Counters count what this instance committed, so that the sum over all instances is the truth; gauges tell
 * what the Store holds, the same from each instance.
 */
import { isTerminal } from '@tutti/contracts'
import type { Change, Engine, Store, StoreStats } from '@tutti/engine'
import type { Metrics } from '@tutti/telemetry'

export interface MetricsDeps {
  metrics: Metrics
  store: Pick<Store, 'stats'>
  engine: Pick<Engine, 'workers'>
}

/** Of jobs, in seconds: from a blink to a day. */
const jobSeconds = [0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 1_800, 7_200, 43_200, 86_400]
const taskSeconds = [0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 1_800, 7_200]
/** Counting the Store's jobs costs a scan; several gauges and several scrapers share one. */
const statsAgeMs = 5_000

/** @returns what is to be called for each change that was committed */
export const observeMetrics = ({ metrics, store, engine }: MetricsDeps): ((change: Change) => void) => {
  const jobs = metrics.counter({
    name: 'orchestrator_jobs_total',
    help: 'Jobs created.',
    labels: ['blueprint'],
  })
  const ended = metrics.counter({
    name: 'orchestrator_jobs_ended_total',
    help: 'Jobs that ended, by how.',
    labels: ['blueprint', 'status'],
  })
  const failed = metrics.counter({
    name: 'orchestrator_jobs_failed_total',
    help: 'Jobs that ended as failed, quarantined or error.',
    labels: ['blueprint'],
  })
  const duration = metrics.histogram({
    name: 'orchestrator_job_duration_seconds',
    help: 'From the creation of a job to its end.',
    labels: ['blueprint'],
    buckets: jobSeconds,
  })
  const tasks = metrics.counter({
    name: 'orchestrator_tasks_total',
    help: 'Tasks by skill and by what became of each try.',
    labels: ['skill', 'outcome'],
  })
  const taskDuration = metrics.histogram({
    name: 'orchestrator_task_duration_seconds',
    help: 'How long workers worked on a task, as they told.',
    labels: ['skill'],
    buckets: taskSeconds,
  })

  let stats: Promise<StoreStats> | null = null
  let readAt = 0
  const recent = (): Promise<StoreStats> => {
    if (stats === null || Date.now() - readAt > statsAgeMs) {
      readAt = Date.now()
      stats = store.stats(null)
      stats.catch(() => {
        stats = null
      })
    }
    return stats
  }
  metrics.gauge({ name: 'orchestrator_jobs', help: 'Jobs that are kept, by status.', labels: ['status'] }, async () =>
    Object.entries((await recent()).jobs).map(([status, value]) => ({ labels: { status }, value })),
  )
  const byQueue = async (read: (queue: StoreStats['queues'][number]) => number) =>
    (await recent()).queues.map((queue) => ({ labels: { queue: queue.queue }, value: read(queue) }))
  metrics.gauge(
    { name: 'orchestrator_task_queue_length', help: 'Tasks that wait for a worker.', labels: ['queue'] },
    () => byQueue(({ waiting }) => waiting),
  )
  metrics.gauge({ name: 'orchestrator_tasks_leased', help: 'Tasks in the hands of workers.', labels: ['queue'] }, () =>
    byQueue(({ leased }) => leased),
  )
  metrics.gauge(
    {
      name: 'orchestrator_task_queue_oldest_seconds',
      help: 'Age of the task that has waited longest.',
      labels: ['queue'],
    },
    () => byQueue(({ oldestAt }) => (oldestAt === null ? 0 : Math.max(0, Date.now() - oldestAt) / 1000)),
  )
  metrics.gauge({ name: 'orchestrator_active_workers', help: 'Workers that are registered and alive.' }, async () => [
    { labels: {}, value: (await engine.workers()).length },
  ])

  return ({ job, events }) => {
    const { blueprint } = job
    if (job.rev === 1) jobs({ blueprint })
    for (const { type, data } of events) {
      const outcome = taskOutcomes[type]
      if (outcome === undefined) continue
      const skill = typeof data.skill === 'string' ? data.skill : ''
      tasks({ skill, outcome })
      if (typeof data.duration_ms === 'number') taskDuration({ skill }, data.duration_ms / 1000)
    }
    // A job is committed once as terminal: nothing changes it afterwards.
    if (!isTerminal(job.status) || job.finishedAt === null) return
    ended({ blueprint, status: job.status })
    duration({ blueprint }, (job.finishedAt - job.createdAt) / 1000)
    if (job.status !== 'finished' && job.status !== 'cancelled') failed({ blueprint })
  }
}

const taskOutcomes: Record<string, string> = {
  task_queued: 'queued',
  task_finished: 'finished',
  task_failed: 'failed',
  task_lost: 'lost',
  task_retried: 'retried',
}
