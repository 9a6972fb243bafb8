/** What the document of the API says of a route, beside what it takes. */
import { type ErrorCode, envelope } from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import { z } from 'zod'

/** @param codes of its own error answers, beside those that follow from what it takes */
export const about = <View extends z.ZodType>(
  tag: string,
  operationId: string,
  summary: string,
  view: View,
  ...codes: ErrorCode[]
) => ({
  ...{ tags: [tag], operationId, summary },
  response: { 200: envelope(view), ...failures(...codes) },
})

/** What a DELETE answers, where ids are numbers. */
export const deleted = z.object({ id: z.int() })
