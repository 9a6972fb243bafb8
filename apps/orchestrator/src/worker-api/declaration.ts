/** What a worker tells of itself, in the words of either generation of the protocol. */
import type { JsonObject, registerWorker } from '@tutti/contracts'
import type { WorkerDeclaration, WorkerRecord } from '@tutti/engine'
import type { z } from 'zod'

type Register = z.output<typeof registerWorker>

export const declarationOf = (body: Register): WorkerDeclaration => ({
  id: body.worker_id,
  bootId: body.boot_id ?? null,
  skills: skillNames(body),
  info: ownWords(body),
})

const skillNames = ({ supported_skills, supported_tasks = [] }: Register): string[] => {
  const listed = supported_skills?.map((skill) => (typeof skill === 'string' ? skill : skill.name)) ?? supported_tasks
  return [...new Set(listed)]
}

/** Version and type of a skill as the worker registered it, where it did. */
export const skillFacts = (worker: WorkerRecord, skill: string): { skill_version?: string; skill_type?: string } => {
  const { supported_skills: listed } = worker.info
  if (!Array.isArray(listed)) return {}
  for (const entry of listed)
    if (typeof entry === 'object' && entry !== null && !Array.isArray(entry) && entry.name === skill)
      return {
        ...(typeof entry.version === 'string' ? { skill_version: entry.version } : {}),
        ...(typeof entry.type === 'string' ? { skill_type: entry.type } : {}),
      }
  return {}
}

/** Never kept: ids that the record has already, lists that are read at once, and what only proves who is speaking. */
const notKept = new Set(['worker_id', 'boot_id', 'current_tasks', 'security', 'dynamic_token', 'token'])

/** The rest is kept as it came and shown to clients. */
export const ownWords = (body: Record<string, unknown>): JsonObject =>
  Object.fromEntries(Object.entries(body).filter(([key]) => !notKept.has(key))) as JsonObject
