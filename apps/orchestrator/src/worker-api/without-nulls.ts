import type { FastifyRequest } from 'fastify'

/**
 * Drops the keys of an object that hold null. Workers in several languages write an absent field as null, and the contracts
 * know such fields as absent.
 */
export const withoutNulls = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null))
    : value

/** A hook that changes the body before it is checked. */
export const changeBody =
  (change: (body: unknown) => unknown) =>
  async (request: FastifyRequest): Promise<void> => {
    request.body = change(request.body)
  }
