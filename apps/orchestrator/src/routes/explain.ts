/** Why a job is where it is: what it waits for, and for its tasks, who could do them and who not, and why. */
import { type JobExplanation, type JsonObject, jobExplanation } from '@tutti/contracts'
import { isTaskBranch, type Job, type OpenTask } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { clientOf } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import type { WriteInstant } from '../views/instant.ts'
import { jobId, jobParams } from './job-id.ts'

/** A wide fan-out waits for one reason in most of its tasks. */
const mostTasks = 100

export const explainRoutes = ({ engine, store, instant }: RouteDeps): FastifyPluginAsyncZod => {
  const explainTask = async (task: OpenTask, queues: Counts): Promise<JobExplanation['tasks'][number]> => {
    const { queue, possible, rateLimited, workers } = await engine.explain(task.queue)
    return {
      task_id: task.id,
      skill: task.skill,
      attempt: task.attempt,
      needs: queue.needs as JsonObject,
      strategy: queue.strategy,
      worker_id: await holderOf(task),
      possible,
      rate_limited: rateLimited,
      queue: queues.get(task.queue) ?? { waiting: 0, leased: 0 },
      workers: workers.map(({ id, why }) => ({ worker_id: id, why_not: why })),
    }
  }
  const holderOf = async ({ id, skill }: OpenTask): Promise<string | null> => {
    const able = (await engine.workers()).filter(({ skills }) => skills.includes(skill))
    const holds = await Promise.all(able.map((worker) => store.held(worker.id, id)))
    return able[holds.findIndex((token) => token !== undefined)]?.id ?? null
  }

  return async (app) => {
    app.get(
      '/jobs/:id/explain',
      {
        schema: {
          tags: ['jobs'],
          operationId: 'explainJob',
          summary: 'Why a job waits',
          description: 'For each open task: its queue, who could take it, and per worker the first reason why not.',
          params: jobParams,
          response: { 200: jobExplanation, ...failures('JOB_NOT_FOUND') },
        },
      },
      async (request) => {
        const { id: client } = clientOf(request)
        const job = await engine.job(jobId(request.params), client)
        const open = openTasks(job).slice(0, mostTasks)
        const stats = open.length === 0 ? [] : (await store.stats(client)).queues
        const queues: Counts = new Map(stats.map(({ queue, waiting, leased }) => [queue, { waiting, leased }]))
        return {
          job_id: job.id,
          status: job.status,
          because: because(job, instant),
          tasks: await Promise.all(open.map((task) => explainTask(task, queues))),
        }
      },
    )
  }
}

type Counts = Map<string, { waiting: number; leased: number }>

const openTasks = ({ waiting }: Job): OpenTask[] => {
  if (waiting?.kind === 'task') return [waiting.task]
  if (waiting?.kind !== 'parallel') return []
  return waiting.branches.flatMap((branch) => (branch.status === 'open' && isTaskBranch(branch) ? [branch.task] : []))
}

const because = (job: Job, instant: WriteInstant): string => {
  if (job.finishedAt !== null) return `It has ended: ${job.error?.message ?? job.status}.`
  const wait = waitOf(job, instant)
  return job.paused ? `It is paused, and takes no further step until it is resumed. ${wait}` : wait
}

const waitOf = ({ waiting, status, wakeAt, attempt, handling, error }: Job, instant: WriteInstant): string => {
  switch (waiting?.kind) {
    case 'task':
      return `It waits for the task ${waiting.task.id} of the skill ${waiting.task.skill}, try ${waiting.task.attempt} of ${waiting.task.retry.attempts}.`
    case 'parallel': {
      const over = waiting.branches.filter((branch) => branch.status !== 'open' && branch.status !== 'waiting').length
      const children = waiting.branches.filter((branch) => !isTaskBranch(branch) && branch.status === 'open').length
      const jobs = children === 0 ? '' : ` ${children} of them are jobs of their own.`
      return `It waits for ${waiting.branches.length} tasks, of which ${over} are over.${jobs}`
    }
    case 'approval':
      return `It waits for a person: ${waiting.message}`
    case 'child':
      return `It waits for its child, the job ${waiting.childId}.`
    case 'event':
      return `It waits for the event “${waiting.name}”.`
    case 'sleep':
      return `It sleeps until ${instant(waiting.until)}.`
  }
  if (status === 'awaiting_retry' && wakeAt !== null)
    return `Its handler has failed ${attempt} times${error ? ` (${error.message})` : ''} and runs again at ${instant(wakeAt)}.`
  if (handling) return 'Its handler runs.'
  return wakeAt === null ? 'It has nothing to do.' : `Its next handler is due at ${instant(wakeAt)}.`
}
