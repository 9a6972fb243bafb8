/** Holds every answer that a server gives in a test to what its document promises. */
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'

type Answers = Record<string, z.ZodType | { content: Record<string, { schema: z.ZodType }> }>

/**
 * To be called before the server listens. @returns the faults so far, each with what to add and where: a status or a code
 * that the route does not name, a field of another kind than its schema says, a field that its schema does not know.
 * What is answered without a route, and streams, are not looked at.
 */
export const checkAnswers = (app: FastifyInstance): (() => string[]) => {
  const faults = new Set<string>()
  app.addHook('preSerialization', async (request, reply, payload) => {
    const { url, method, schema } = request.routeOptions
    if (url === undefined || schema === undefined || schema.hide === true) return
    const place = `${method} ${url} answered ${reply.statusCode}`
    const fault = faultOf((schema.response ?? {}) as Answers, reply.statusCode, payload)
    if (fault !== undefined) faults.add(`${place}: ${fault}`)
  })
  return () => [...faults]
}

const faultOf = (answers: Answers, status: number, payload: unknown): string | undefined => {
  const schema = answers[status] ?? answers[`${Math.floor(status / 100)}xx`]
  const code = codeOf(payload)
  if (schema === undefined)
    return `its schema has no such answer: add ${code === undefined ? `${status} to \`response\`` : `...failures('${code}')`}`
  if ('content' in schema) return undefined
  const sent: unknown = JSON.parse(JSON.stringify(payload))
  const { success, data, error } = schema.safeParse(sent)
  if (success) return unknownField(sent, data, '')
  const [issue] = error.issues
  if (status >= 400 && issue?.path.join('.') === 'data.code') return `add ...failures('${code}') to \`response\``
  return `${issue?.path.join('.')}: ${issue?.message}`
}

const codeOf = (payload: unknown): string | undefined => {
  const { data, code } = payload as { data?: { code?: unknown } | null; code?: unknown }
  const found = typeof code === 'string' ? code : data?.code
  return typeof found === 'string' ? found : undefined
}

/** Where something was sent of which the schema says nothing: parsing has left it out. */
const unknownField = (sent: unknown, known: unknown, at: string): string | undefined => {
  if (typeof sent !== 'object' || sent === null) return undefined
  for (const [name, value] of Object.entries(sent)) {
    const path = at === '' ? name : `${at}.${name}`
    if (typeof known !== 'object' || known === null || !Object.hasOwn(known, name))
      return `${path} is not in its schema: add the field, or don’t send it`
    const deeper = unknownField(value, (known as Record<string, unknown>)[name], path)
    if (deeper !== undefined) return deeper
  }
  return undefined
}
