/** What the document of the API says of a route, beside what it takes. */
import { envelope } from '@tutti/contracts'
import { z } from 'zod'

export const about = <View extends z.ZodType>(tag: string, operationId: string, summary: string, view: View) => ({
  ...{ tags: [tag], operationId, summary },
  response: { 200: envelope(view) },
})

/** What a DELETE answers, where ids are numbers. */
export const deleted = z.object({ id: z.int() })
