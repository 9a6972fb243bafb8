import { TuttiError } from '@tutti/contracts'
import { z } from 'zod'

/** A job's id in a path. Documented as a UUID; anything else is simply an id that no job has. */
export const jobParams = z.object({ id: z.string().describe('The job’s id, a UUID.') })

const uuid = z.uuid()

/** @throws TuttiError JOB_NOT_FOUND. Stores may refuse to look for an id that is no UUID. */
export const jobId = (params: z.output<typeof jobParams>): string => {
  if (uuid.safeParse(params.id).success) return params.id.toLowerCase()
  throw new TuttiError('JOB_NOT_FOUND', 'Job not found')
}
