/** What the engine is asked to create, from a checked body and from who sends it. */
import { createHash } from 'node:crypto'
import type { Client } from '@tutti/config'
import { type createJob, type JsonObject, TuttiError } from '@tutti/contracts'
import { derivedId, type JobSpec, sortedJson } from '@tutti/engine'
import { urlFault } from '@tutti/network'
import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { clientOf } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { quotaOf } from '../http/quota.ts'

type Options = Omit<z.output<typeof createJob>, 'blueprint' | 'input'>

export interface WantedJob {
  blueprint: string
  input: JsonObject
  options: Options
  /** Where its options stand in the body, for faults that only the server can find. */
  path: string
}

/**
 * Specs for the jobs of one request, in its order. With the header Idempotency-Key each job's id follows from client, key and place, so
 * that a request that comes again finds the jobs that the first one made.
 * @throws TuttiError INVALID_BODY
 */
export const createSpecs = (deps: RouteDeps, request: FastifyRequest, wanted: readonly WantedJob[]): JobSpec[] => {
  const client = clientOf(request)
  const key = idempotencyKey(request)
  const trace = deps.traceOf?.(request) ?? null
  const quota = quotaOf(client, deps)
  return wanted.map((job, at): JobSpec => {
    const { id, priority, tags, metadata, deadline_seconds, run_at, delay_seconds } = job.options
    const { dispatch_timeout, result_timeout } = job.options
    if (key !== null && id !== undefined)
      throw new TuttiError(
        'INVALID_BODY',
        'An id and the header Idempotency-Key are two names for one thing: send one',
        {
          path: `${job.path}.id`,
        },
      )
    const webhook = webhookOf(deps, client, job)
    return {
      client: client.id,
      clientFacts: { plan: client.plan, params: client.params as JsonObject },
      blueprint: job.blueprint,
      input: job.input,
      ...(id === undefined ? {} : { id }),
      ...(key === null
        ? {}
        : { id: derivedId('idempotency', client.id, key, String(at)), fingerprint: fingerprintOf(job, wanted.length) }),
      ...(priority === undefined ? {} : { priority }),
      ...(tags === undefined ? {} : { tags }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(deadline_seconds === undefined ? {} : { deadlineMs: deadline_seconds * 1000 }),
      ...(run_at === undefined ? {} : { startAt: Date.parse(run_at) }),
      ...(delay_seconds === undefined ? {} : { delayMs: delay_seconds * 1000 }),
      ...(dispatch_timeout == null ? {} : { dispatchTimeoutMs: dispatch_timeout * 1000 }),
      ...(result_timeout == null ? {} : { resultTimeoutMs: result_timeout * 1000 }),
      ...(webhook === null ? {} : { webhook }),
      ...(trace === null ? {} : { trace }),
      ...(quota === null ? {} : { quota }),
    }
  })
}

type Webhook = NonNullable<JobSpec['webhook']>

/** @throws TuttiError INVALID_BODY for an address that no webhook may have */
const webhookOf = (deps: RouteDeps, client: Client, { options, path }: WantedJob): Webhook | null => {
  const { webhook_url: own, webhook_events: events = null } = options
  const url = own === undefined ? client.webhookUrl : own
  if (url === null || url === '') return null
  const fault = own == null ? null : urlFault(own, deps.settings.webhookAllowPrivate)
  if (fault !== null) throw new TuttiError('INVALID_BODY', `webhook_url ${fault}`, { path: `${path}.webhook_url` })
  return { url, events }
}

/** @throws TuttiError INVALID_BODY */
const idempotencyKey = ({ headers }: FastifyRequest): string | null => {
  const key = headers['idempotency-key']
  if (key === undefined) return null
  if (typeof key === 'string' && key.length >= 1 && key.length <= 255) return key
  throw new TuttiError('INVALID_BODY', 'Idempotency-Key must hold 1 to 255 characters', {
    path: 'header.idempotency-key',
  })
}

/** Two requests are the same if they ask for the same jobs; how their JSON was written does not count. */
const fingerprintOf = ({ blueprint, input, options }: WantedJob, count: number): string =>
  createHash('sha256').update(sortedJson({ blueprint, input, options, count })).digest('hex')
