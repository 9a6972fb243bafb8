import type { createJob } from '@tutti/contracts'
import type { JobSpec } from '@tutti/engine'
import type { z } from 'zod'

type Options = Omit<z.output<typeof createJob>, 'blueprint' | 'input'>

/** What the engine is asked to create, from a checked body. */
export const createSpec = (
  client: string,
  blueprint: string,
  input: JobSpec['input'],
  { id, priority, tags, metadata, deadline_seconds }: Options,
): JobSpec => ({
  client,
  blueprint,
  input,
  ...(id === undefined ? {} : { id }),
  ...(priority === undefined ? {} : { priority }),
  ...(tags === undefined ? {} : { tags }),
  ...(metadata === undefined ? {} : { metadata }),
  ...(deadline_seconds === undefined ? {} : { deadlineMs: deadline_seconds * 1000 }),
})
