/** Checking requests against the contracts' schemas. A fault is told with its place: `body.session_id`, `query.path`. */
import { TuttiError } from '@tutti/contracts'
import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'

/** No body at all stands for an empty one. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = 'body' }) => {
  return (given: unknown) => {
    const { data, error } = schema.safeParse(given ?? {})
    return error ? { error: invalidRequest(httpPart, error) } : { value: data }
  }
}

const invalidRequest = (part: string, error: z.ZodError): TuttiError => {
  // An address that can't be one is as unknown as any other.
  if (part === 'params') return new TuttiError('NOT_FOUND', 'There is nothing at this address')
  const [issue] = error.issues
  const place = part === 'querystring' ? 'query' : part
  const path = [place, ...(issue?.path ?? []).map(String)].join('.')
  const code = place === 'query' ? 'INVALID_QUERY' : 'INVALID_BODY'
  return new TuttiError(code, `${path}: ${issue?.message ?? 'invalid'}`, { path })
}
