/** Checking requests against the contracts' schemas. A fault is told with its place: `body.session_id`. */
import { TuttiError } from '@tutti/contracts'
import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'

/** Every route that takes something takes it in the body; none at all stands for an empty one. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema }) => {
  return (body: unknown) => {
    const { data, error } = schema.safeParse(body ?? {})
    if (!error) return { value: data }
    const [issue] = error.issues
    const path = ['body', ...(issue?.path ?? []).map(String)].join('.')
    return { error: new TuttiError('INVALID_BODY', `${path}: ${issue?.message ?? 'invalid'}`, { path }) }
  }
}
