/** Checking requests against the schemas that the document shows, for servers that answer in the envelope. A fault is told with its place: `body.config.model`, `query.limit`. */
import { TuttiError } from '@tutti/contracts'
import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import { refuseNesting } from './nesting.ts'

export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = 'body' }) => {
  return (data: unknown) => {
    // The server says null where there is no body; a schema's default stands for an absent one.
    if (httpPart === 'querystring') refuseNul(data as Record<string, unknown>)
    if (httpPart === 'body') refuseNesting(data)
    const result = schema.safeParse(data ?? undefined)
    return result.success ? { value: result.data } : { error: invalidRequest(httpPart, result.error) }
  }
}

/** Whatever is looked for, the database can't be asked for it. @throws TuttiError INVALID_QUERY */
const refuseNul = (query: Record<string, unknown>): void => {
  for (const [name, value] of Object.entries(query))
    if ([value].flat().some((text) => typeof text === 'string' && text.includes('\0')))
      throw new TuttiError('INVALID_QUERY', `query.${name}: it holds a NUL`, { path: `query.${name}` })
}

const invalidRequest = (part: string, error: z.ZodError): TuttiError => {
  // An id that can't be one is as unknown as any other.
  if (part === 'params') return new TuttiError('NOT_FOUND', 'There is nothing at this address')
  const [issue] = error.issues
  const place = part === 'querystring' ? 'query' : part
  const path = [place, ...(issue?.path ?? []).map(String)].join('.')
  return new TuttiError(
    place === 'query' ? 'INVALID_QUERY' : 'INVALID_BODY',
    `${path}: ${issue?.message ?? 'invalid'}`,
    {
      path,
    },
  )
}
