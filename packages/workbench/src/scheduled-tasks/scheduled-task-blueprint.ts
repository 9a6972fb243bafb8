/**
 * The built-in blueprint `scheduled_task`: what is due at an instant, as a job. It sends the message and lasts as long as the run that
 * comes of it; so the schedule's own rule for what overlaps speaks of runs. A fault passes by the engine's retries, with growing
 * pauses, and touches no later instant.
 */
import { type Blueprint, blueprint } from '@tutti/engine'
import { z } from 'zod'
import type { Queryable } from '../database/database.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { RUN_ENDED, SCHEDULED_TASK } from './names.ts'
import { sendMessage } from './send.ts'

const input = z.object({ task_id: z.uuid(), manual: z.boolean().default(false) })

/** The run's end is told. Should that get lost, it is looked for after this, after twice this, … */
const firstLookMs = 60_000

export const scheduledTaskBlueprint = (deps: WorkbenchDeps): Blueprint =>
  blueprint({ name: SCHEDULED_TASK, version: 1, input, events: { [RUN_ENDED]: z.object({}) } })
    .state('send', { start: true, to: ['wait', 'done'] }, async ({ input, job, goTo, fail }) => {
      const sent = await sendMessage(deps, {
        ...{ userId: job.client, taskId: input.task_id, manual: input.manual },
        ...{ jobId: job.id, dueAt: job.dueAt ?? job.createdAt },
      })
      if (sent.kind === 'refused') return fail(sent.error.message, sent.error.code)
      if (sent.kind === 'skipped') return goTo('done', { skipped: sent.reason })
      return goTo('wait', { session_id: sent.sessionId, run_id: sent.runId, looks: 0 })
    })
    .state('wait', { to: ['look'] }, ({ data, waitForEvent }) =>
      waitForEvent({
        name: RUN_ENDED,
        on: { event: 'look', timeout: 'look' },
        timeout: firstLookMs * 2 ** Number(data.looks),
      }),
    )
    .state('look', { to: ['wait', 'done'] }, async ({ data, goTo }) =>
      (await isOpen(deps.database, String(data.run_id)))
        ? goTo('wait', { looks: Number(data.looks) + 1 })
        : goTo('done'),
    )
    .end('done', ({ data: { looks: _, ...rest } }) => rest)

/** A run that is gone has ended, and a message that was taken out of the queue as well. */
const isOpen = async (database: Queryable, id: string): Promise<boolean> => {
  const open = await database.query(
    `select from workbench.runs where id = $1 and status in ('queued', 'claimed', 'running', 'waiting', 'canceling')
     union all
     select from workbench.queue_items where id = $1 and status in ('queued', 'paused')`,
    [id],
  )
  return open.length > 0
}
