/** Error answers of servers that answer in the envelope: `data.code` says which, and only those that the document names may come. */
import { type ErrorCode, errorCatalogue } from '@tutti/contracts'
import type { RouteOptions } from 'fastify'
import { z } from 'zod'

const makeFailure = (codes: readonly ErrorCode[]) =>
  z
    .object({
      /** The status, a hundred times. */
      code: z.int(),
      message: z.string(),
      data: z.object({
        code: z.enum(codes),
        hint: z.string(),
        retryable: z.boolean(),
        /** Where in the request the fault is: `body.config.model`, `query.limit`. */
        path: z.string().optional(),
        /** Of EVENT_GAP: the number of the event that is to come next. */
        ...(codes.includes('EVENT_GAP') ? { expected: z.int().optional() } : {}),
      }),
    })
    .describe(codes.map((code) => `\`${code}\``).join(', '))
type Failure = ReturnType<typeof makeFailure>

/** A scope adds codes to what its routes have said. */
const codesOfFailures = new WeakMap<object, readonly ErrorCode[]>()
const codesOf = (schema: unknown): readonly ErrorCode[] => codesOfFailures.get(schema as object) ?? []

const failure = (codes: readonly ErrorCode[]): Failure => {
  const made = makeFailure(codes)
  codesOfFailures.set(made, codes)
  return made
}

/** Error answers of a route, for its schema. */
export const failures = (...codes: ErrorCode[]): Record<number, Failure> => {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of new Set(codes)) {
    const { status } = errorCatalogue[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries([...byStatus].map(([status, of]) => [status, failure(of)]))
}

/** A route's answers with what its scope adds, and what follows from the parts of a request that it reads. */
export const withFailures = (
  { schema, method }: Pick<RouteOptions, 'schema' | 'method'>,
  common: readonly ErrorCode[],
): Record<string, unknown> => {
  const reads = [method].flat().some((each) => each !== 'GET' && each !== 'HEAD')
  const implied: ErrorCode[] = [
    ...common,
    ...(reads ? (['INVALID_BODY', 'PAYLOAD_TOO_LARGE', 'REQUEST_TIMEOUT'] as const) : []),
    ...(schema?.querystring === undefined ? [] : (['INVALID_QUERY'] as const)),
    ...(schema?.params === undefined ? [] : (['NOT_FOUND'] as const)),
  ]
  const own = (schema?.response ?? {}) as Record<string, unknown>
  const answers = Object.entries(own).filter(([, schema]) => codesOf(schema).length === 0)
  const codes = Object.values(own).flatMap(codesOf)
  return { ...Object.fromEntries(answers), ...failures(...codes, ...implied) }
}
