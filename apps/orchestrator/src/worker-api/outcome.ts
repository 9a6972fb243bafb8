/** A result as workers send it, nested or flat, made into the one form that the engine takes. */
import type { JobError, taskError, taskResult } from '@tutti/contracts'
import type { TaskOutcome } from '@tutti/engine'
import type { z } from 'zod'
import { withoutNulls } from './without-nulls.ts'

export const taskOutcome = (body: z.output<typeof taskResult>, worker: string): TaskOutcome => {
  const { status = 'success', data, error } = body.result ?? body
  return {
    jobId: body.job_id,
    taskId: body.task_id,
    worker,
    ...(body.lease_token === undefined ? {} : { token: body.lease_token }),
    ...(body.attempt === undefined ? {} : { attempt: body.attempt }),
    ...(body.duration_ms === undefined ? {} : { durationMs: body.duration_ms }),
    status,
    data: data ?? null,
    error: jobError(error),
  }
}

/** Bare text is a fault that may pass: the older protocol has no code for it. */
const jobError = (error: z.output<typeof taskError> | undefined): JobError | null => {
  if (error === undefined) return null
  if (typeof error === 'string') return { code: 'TRANSIENT_ERROR', message: error }
  const { code, message, details } = error
  return { code, message, ...(details === undefined ? {} : { details }) }
}

/** A result without the nulls that mean "absent", outside of the worker's data. */
export const tidyResult = (body: unknown): unknown => {
  const flat = tidyOutcome(body)
  return isObject(flat) && 'result' in flat ? { ...flat, result: tidyOutcome(flat.result) } : flat
}

const tidyOutcome = (value: unknown): unknown => {
  const tidy = withoutNulls(value)
  return isObject(tidy) && 'error' in tidy ? { ...tidy, error: withoutNulls(tidy.error) } : tidy
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const tidyResults = (body: unknown): unknown =>
  isObject(body) && Array.isArray(body.results) ? { ...body, results: body.results.map(tidyResult) } : body
