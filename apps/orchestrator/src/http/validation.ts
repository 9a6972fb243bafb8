/** Checking requests against the contracts' schemas. A fault is told as `body.input.url`, `query.limit`, `path.worker_id`. */
import { TuttiError } from '@tutti/contracts'
import { refuseNesting } from '@tutti/openapi'
import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'

const places: Record<string, string> = { body: 'body', querystring: 'query', params: 'path', headers: 'header' }

export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = 'body' }) => {
  return (data: unknown) => {
    if (httpPart === 'body') refuseNesting(data)
    // The server says null where there is no body; a schema's default stands for an absent one.
    const result = schema.safeParse(data ?? undefined)
    return result.success ? { value: result.data } : { error: invalidRequest(httpPart, result.error) }
  }
}

/** The first fault of a request, as the error it is answered with. */
const invalidRequest = (part: string, error: z.ZodError): TuttiError => {
  const [issue] = error.issues
  const path = [places[part] ?? part, ...(issue?.path ?? []).map(String)].join('.')
  // zod says "received undefined" of a field that is not there; people look for the word "missing".
  const missing = issue?.code === 'invalid_type' && issue.message.endsWith('received undefined')
  const message = missing
    ? path === 'body'
      ? 'A JSON body is required'
      : `Missing required field: ${issue.path.join('.')}`
    : `${path}: ${issue?.message ?? 'invalid'}`
  return new TuttiError(part === 'body' ? 'INVALID_BODY' : 'INVALID_QUERY', message, { path })
}
