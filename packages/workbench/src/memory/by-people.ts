/** The memory as its owner sees it. */
import {
  type createMemory,
  type MemoryChange,
  type MemoryJob,
  type MemoryView,
  type PutMemory,
  type SearchMemories,
  textOfMessages,
} from '@tutti/contracts'
import type { z } from 'zod'
import type { WorkbenchDeps } from '../deps.ts'
import { findProject } from '../projects/projects.ts'
import { plainJson } from '../session/plain-json.ts'
import { storable } from '../session/storable.ts'
import { meaningOf } from './embeddings/embed-memories.ts'
import { addMemory, changeMemory, forget, forgetAll, historyOf, listMemories, readMemory } from './memories.ts'
import { searchIn } from './search.ts'

/** Of one user each: @throws TuttiError MEMORY_NOT_FOUND, also for a stranger's. With a project: what is for all sessions, and what is for its own. */
export interface Memories {
  list(userId: string, of: { projectId?: string | null; limit: number; offset: number }): Promise<MemoryView[]>
  /** @throws TuttiError MEMORY_FULL, PROJECT_NOT_FOUND */
  add(userId: string, memory: z.output<typeof createMemory>): Promise<MemoryJob>
  search(userId: string, request: SearchMemories): Promise<MemoryView[]>
  get(userId: string, id: string): Promise<MemoryView>
  put(userId: string, id: string, memory: PutMemory): Promise<MemoryView>
  forget(userId: string, id: string): Promise<void>
  /** @returns how many there were */
  forgetAll(userId: string): Promise<number>
  history(userId: string, id: string): Promise<MemoryChange[]>
  /** The making of a memory, which is over. */
  job(userId: string, id: string): Promise<MemoryJob>
}

export const createMemories = ({ database, ...deps }: WorkbenchDeps): Memories => ({
  list: (userId, { projectId = null, ...page }) => listMemories(database, { userId, projectId }, page),
  add: (userId, sent) =>
    database.transaction(async (tx) => {
      const { text, messages, project_id, metadata } = storable(plainJson(sent)) as unknown as typeof sent
      const projectId = project_id ?? null
      if (projectId !== null) await findProject(tx, userId, projectId, 'body.project_id')
      return jobOf(await addMemory(tx, userId, { text: text ?? textOfMessages(messages), projectId, metadata }))
    }),
  search: async (userId, { project_id: projectId = null, ...request }) => {
    const meaning = await meaningOf({ database, ...deps }, { userId, sessionId: null }, request.query)
    return searchIn(database, { userId, projectId }, request, meaning)
  },
  get: (userId, id) => readMemory(database, { userId }, id),
  put: (userId, id, sent) => {
    const given = storable(plainJson(sent)) as PutMemory
    return database.transaction((tx) => changeMemory(tx, { userId }, id, given))
  },
  forget: (userId, id) => forget(database, { userId }, id),
  forgetAll: (userId) => forgetAll(database, { userId }),
  history: (userId, id) => historyOf(database, { userId }, id),
  job: async (userId, id) => jobOf(await readMemory(database, { userId }, id)),
})

const jobOf = ({ id, created_at }: MemoryView): MemoryJob => ({
  ...{ job_id: id, status: 'success', progress: 100, result: { memory_id: id }, error: null },
  ...{ created_at, finished_at: created_at },
})
