/** What a worker tells of itself, in the words of either generation of the protocol. */
import type { heartbeat, JsonObject, registerWorker } from '@tutti/contracts'
import type { WorkerDeclaration, WorkerRecord } from '@tutti/engine'
import type { z } from 'zod'

type Register = z.output<typeof registerWorker>
type Heartbeat = z.output<typeof heartbeat>

export const declarationOf = (body: Register): WorkerDeclaration => ({
  id: body.worker_id,
  bootId: body.boot_id ?? null,
  skills: skillNames(body) ?? [],
  info: ownWords(body),
})

/** The skills that a message lists; undefined where it lists none. */
export const skillNames = ({ supported_skills, supported_tasks }: Register | Heartbeat): string[] | undefined => {
  const listed = supported_skills?.map((skill) => (typeof skill === 'string' ? skill : skill.name)) ?? supported_tasks
  return listed && [...new Set(listed)]
}

/**
 * Of its skills those that the worker has room for at present. Workers list none while they are full; one that asks all the same
 * has room again, and its word of that is still on the way.
 */
export const availableSkills = (worker: WorkerRecord, named: string[] | undefined): string[] => {
  const told = named ?? namesIn(worker.info.available_skills) ?? namesIn(worker.info.supported_tasks) ?? []
  const available = worker.skills.filter((skill) => told.includes(skill))
  return available.length > 0 ? available : worker.skills
}

const namesIn = (value: unknown): string[] | undefined =>
  Array.isArray(value) ? value.filter((name) => typeof name === 'string') : undefined

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
