/** Signs of life. They renew what the worker holds, and bring word of what is no longer its own. */

import { heartbeat, heartbeatAnswer, TuttiError, workerView as workerViewSchema } from '@tutti/contracts'
import type { Engine } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { namedWorkerOf } from '../auth/worker/index.ts'
import { failures } from '../errors.ts'
import { workerView } from '../views/worker-view.ts'
import { ownWords } from './declaration.ts'
import type { WorkerRouteDeps } from './index.ts'
import { workerParams } from './params.ts'
import { seenBefore, signed } from './signed.ts'
import { changeBody, withoutNulls } from './without-nulls.ts'

type Heartbeat = z.output<typeof heartbeat>

export const heartbeatRoutes = ({ engine, instant, rates, signatures }: WorkerRouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.patch(
      '/workers/:worker_id',
      {
        schema: {
          tags: ['worker protocol'],
          summary: 'Give a sign of life',
          description:
            'Renews the registration and the leases: of all tasks, or of those in `current_tasks`. Tasks in `cancel_task_ids` ' +
            'belong to somebody else by now. An empty body only says "alive". To a body in the words of the older protocol the ' +
            'answer is the worker’s record.',
          params: workerParams,
          body: heartbeat.optional(),
          response: {
            200: z.union([heartbeatAnswer, workerViewSchema]),
            ...failures('INVALID_BODY', 'UNAUTHENTICATED', 'WORKER_NOT_FOUND', 'TOO_MANY_REQUESTS'),
          },
        },
        preValidation: [rates.limit('heartbeat'), signed(signatures, 'tell'), changeBody(withoutNulls)],
      },
      async (request) => {
        const id = namedWorkerOf(request)
        const { body } = request
        if (!body) {
          await engine.heartbeat(id, {})
          return { status: 'ttl_refreshed' as const }
        }
        // A copy of what was said before: it must not undo what was said since.
        if (seenBefore(request)) return { status: 'ok' as const }
        const patch = ownWords(body)
        const behind = await isBehind(engine, id, body)
        // Kept, the hash would make the old list look like the new one.
        if (behind) delete patch.skills_hash
        const { record, held } = await engine.heartbeat(id, patch, body.current_tasks)
        if (isOlder(body)) return workerView(record, instant)
        const mine = new Set(held)
        return {
          status: 'ok' as const,
          ...(behind ? { require_full_sync: true as const } : {}),
          cancel_task_ids: body.current_tasks?.filter((task) => !mine.has(task)) ?? [],
        }
      },
    )
  }
}

/** The older protocol knows none of these. */
const newerWords = [
  'worker_id',
  'current_tasks',
  'usage',
  'supported_skills',
  'available_skills',
  'skills_hash',
  'security',
  'timestamp',
]

const isOlder = (body: Heartbeat): boolean => !newerWords.some((word) => word in body)

/** True when the worker’s list of skills is another than the one that is known here. */
const isBehind = async (
  engine: Pick<Engine, 'worker'>,
  id: string,
  { skills_hash: hash, supported_skills }: Heartbeat,
): Promise<boolean> => {
  if (hash === undefined || supported_skills) return false
  const known = await engine.worker(id)
  if (!known) throw new TuttiError('WORKER_NOT_FOUND', 'Worker not found')
  const { skills_hash: stored } = known.info
  return known.skills.length === 0 || (typeof stored === 'string' && stored !== hash)
}
