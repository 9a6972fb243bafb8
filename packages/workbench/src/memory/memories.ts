/** A user's memories. Every statement is scoped by the user, so a stranger's memory is as unknown as one that never was. */
import { randomUUID } from 'node:crypto'
import { type JsonObject, type MemoryChange, type MemoryView, TuttiError } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { wordsOf } from '../session/words.ts'

/** More than a person or an agent will read through, and few enough to be ranked in milliseconds. */
const mostMemories = 5_000

export interface MemoryRow {
  id: string
  user_id: string
  project_id: string | null
  text: string
  metadata: JsonObject
  run_id: string | null
  created_at: Date
  updated_at: Date
  score?: number
}

/** Whose memories, and which of them: with a project those for all sessions and its own, without all of the user's. */
export interface Scope {
  userId: string
  projectId?: string | null
}

/** An agent in a session without a project sees none of any project. */
export interface AgentScope {
  userId: string
  projectId: string | null
  /** Who writes. */
  runId: string
}

export const columns = 'id, user_id, project_id, text, metadata, run_id, created_at, updated_at'

/** $1 user, $2 project, $3 whether it is an agent that asks. */
export const inScope =
  '(user_id = $1 and (project_id is null or project_id = $2::uuid or ($2::uuid is null and not $3)))'
export const scopeValues = (scope: Scope | AgentScope): unknown[] => [
  scope.userId,
  scope.projectId ?? null,
  'runId' in scope,
]

export const view = ({ text, created_at, updated_at, ...row }: MemoryRow): MemoryView => ({
  id: row.id,
  memory: text,
  user_id: row.user_id,
  project_id: row.project_id,
  run_id: row.run_id,
  metadata: row.metadata,
  ...(row.score === undefined ? {} : { score: row.score }),
  created_at: created_at.toISOString(),
  updated_at: updated_at.toISOString(),
})

/** Newest first. */
export const listMemories = async (
  database: Queryable,
  scope: Scope | AgentScope,
  { limit, offset }: { limit: number; offset: number },
): Promise<MemoryView[]> => {
  const rows = await database.query<MemoryRow>(
    `select ${columns} from workbench.memories where ${inScope} order by created_at desc, id desc limit $4 offset $5`,
    [...scopeValues(scope), limit, offset],
  )
  return rows.map(view)
}

/** @throws TuttiError MEMORY_NOT_FOUND */
export const readMemory = async (database: Queryable, scope: Scope | AgentScope, id: string): Promise<MemoryView> => {
  const [row] = await database.query<MemoryRow>(
    `select ${columns} from workbench.memories where ${inScope} and id = $4`,
    [...scopeValues(scope), id],
  )
  if (!row) throw notFound()
  return view(row)
}

export interface NewMemory {
  text: string
  projectId: string | null
  metadata?: JsonObject
  runId?: string | null
}

/** What is remembered already is not remembered twice. @throws TuttiError MEMORY_FULL */
export const addMemory = async (tx: Queryable, userId: string, given: NewMemory): Promise<MemoryView> => {
  const { text, projectId, metadata = {}, runId = null } = given
  // Two that add at once would each count, and look for the same text, without the other.
  await tx.query("select pg_advisory_xact_lock(hashtextextended('memories/' || $1, 0))", [userId])
  const [same] = await tx.query<MemoryRow>(
    `select ${columns} from workbench.memories
     where user_id = $1 and text = $2 and project_id is not distinct from $3::uuid`,
    [userId, text, projectId],
  )
  if (same) return view(same)
  const [count] = await tx.query<{ n: number }>('select count(*) as n from workbench.memories where user_id = $1', [
    userId,
  ])
  if ((count?.n ?? 0) >= mostMemories) throw new TuttiError('MEMORY_FULL', `There are ${mostMemories} memories already`)
  const [row] = await tx.query<MemoryRow>(
    `insert into workbench.memories (id, user_id, project_id, text, metadata, search, run_id)
     values ($1, $2, $3, $4, $5, to_tsvector('simple', $6), $7) returning ${columns}`,
    [randomUUID(), userId, projectId, text, metadata, wordsOf(text), runId],
  )
  if (!row) throw new Error('PostgreSQL did not answer the memory that it stored')
  await noteChange(tx, row, null, runId)
  return view(row)
}

/** @throws TuttiError MEMORY_NOT_FOUND */
export const changeMemory = async (
  tx: Queryable,
  scope: Scope | AgentScope,
  id: string,
  { text, metadata }: { text: string; metadata?: JsonObject | undefined },
): Promise<MemoryView> => {
  const [before] = await tx.query<MemoryRow>(
    `select ${columns} from workbench.memories where ${inScope} and id = $4 for update`,
    [...scopeValues(scope), id],
  )
  if (!before) throw notFound()
  const [row] = await tx.query<MemoryRow>(
    `update workbench.memories set text = $2, metadata = $3, search = to_tsvector('simple', $4), updated_at = now(),
       embedded_by = case when text = $2 then embedded_by end, embed_at = now(), embed_tries = 0
     where id = $1 returning ${columns}`,
    [id, text, metadata ?? before.metadata, wordsOf(text)],
  )
  if (!row) throw notFound()
  if (before.text !== text) await noteChange(tx, row, before.text, 'runId' in scope ? scope.runId : null)
  return view(row)
}

/** With its history. @throws TuttiError MEMORY_NOT_FOUND */
export const forget = async (database: Queryable, scope: Scope | AgentScope, id: string): Promise<void> => {
  const gone = await database.query(`delete from workbench.memories where ${inScope} and id = $4 returning id`, [
    ...scopeValues(scope),
    id,
  ])
  if (gone.length === 0) throw notFound()
}

/** @returns how many there were */
export const forgetAll = async (database: Queryable, scope: Scope): Promise<number> =>
  (await database.query(`delete from workbench.memories where ${inScope} returning id`, scopeValues(scope))).length

/** Oldest first. @throws TuttiError MEMORY_NOT_FOUND */
export const historyOf = async (database: Queryable, scope: Scope, id: string): Promise<MemoryChange[]> => {
  await readMemory(database, scope, id)
  const rows = await database.query<{
    old_text: string | null
    new_text: string
    run_id: string | null
    created_at: Date
  }>('select old_text, new_text, run_id, created_at from workbench.memory_changes where memory_id = $1 order by id', [
    id,
  ])
  return rows.map(({ old_text, new_text, run_id, created_at }) => ({
    event: old_text === null ? 'ADD' : 'UPDATE',
    old_memory: old_text,
    new_memory: new_text,
    run_id,
    created_at: created_at.toISOString(),
  }))
}

const noteChange = (tx: Queryable, row: MemoryRow, before: string | null, runId: string | null) =>
  tx.query('insert into workbench.memory_changes (memory_id, old_text, new_text, run_id) values ($1, $2, $3, $4)', [
    row.id,
    before,
    row.text,
    runId,
  ])

const notFound = (): TuttiError => new TuttiError('MEMORY_NOT_FOUND', 'Memory not found')
