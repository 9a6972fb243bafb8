/** What a worker tells of itself, in the words of either generation of the protocol. */
import type { JsonObject, registerWorker } from '@tutti/contracts'
import type { WorkerDeclaration } from '@tutti/engine'
import type { z } from 'zod'

export const declarationOf = (body: z.output<typeof registerWorker>): WorkerDeclaration => {
  const skills = body.supported_skills?.map((skill) => (typeof skill === 'string' ? skill : skill.name))
  return {
    id: body.worker_id,
    bootId: body.boot_id ?? null,
    skills: [...new Set(skills ?? body.supported_tasks ?? [])],
    info: ownWords(body),
  }
}

/** Never kept: ids that the record has already, lists that are read at once, and what only proves who is speaking. */
const notKept = new Set(['worker_id', 'boot_id', 'current_tasks', 'security', 'dynamic_token', 'token'])

/** The rest is kept as it came and shown to clients. */
export const ownWords = (body: Record<string, unknown>): JsonObject =>
  Object.fromEntries(Object.entries(body).filter(([key]) => !notKept.has(key))) as JsonObject
