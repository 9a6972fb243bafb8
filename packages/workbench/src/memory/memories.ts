/** A user's memories. Every statement is scoped by the user, so a stranger's memory is as unknown as one that never was. */
import { randomUUID } from 'node:crypto'
import { type JsonObject, type MemoryChange, type MemoryView, type SearchMemories, TuttiError } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { termsOf, wordsOf } from '../session/words.ts'

/** More than a person or an agent will read through, and few enough to be ranked in milliseconds. */
const mostMemories = 5_000

/** Words of a query that are looked for; a question has fewer. */
const mostTerms = 40

interface MemoryRow {
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

const columns = 'id, user_id, project_id, text, metadata, run_id, created_at, updated_at'

/** $1 user, $2 project, $3 whether it is an agent that asks. */
const inScope = '(user_id = $1 and (project_id is null or project_id = $2::uuid or ($2::uuid is null and not $3)))'
const scopeValues = (scope: Scope | AgentScope): unknown[] => [scope.userId, scope.projectId ?? null, 'runId' in scope]

const view = ({ text, created_at, updated_at, ...row }: MemoryRow): MemoryView => ({
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

/**
 * Those that hold any of the words, each as the beginning of a word; the best first. A word weighs the more the fewer of the user's
 * memories hold it: so a question may be asked in whole sentences of any language, without a list of words that say nothing.
 */
export const searchIn = async (
  database: Queryable,
  scope: Scope | AgentScope,
  { query, limit }: Pick<SearchMemories, 'query' | 'limit'>,
): Promise<MemoryView[]> => {
  const terms = termsOf(query).slice(0, mostTerms)
  if (terms.length === 0) return []
  const rows = await database.query<MemoryRow>(
    `with terms as (select distinct term from unnest($4::text[]) term),
     mine as (
       select * from workbench.memories where ${inScope} and search @@ to_tsquery('simple', array_to_string($4::text[], ' | '))
     ),
     hits as (select mine.id, terms.term from mine join terms on mine.search @@ to_tsquery('simple', terms.term)),
     weights as (
       select terms.term,
         ln(1 + (select count(*) from workbench.memories where ${inScope})::float8 / greatest(count(hits.id), 1)) as weight
       from terms left join hits on hits.term = terms.term group by terms.term
     ),
     scores as (
       select hits.id, sum(weights.weight) / (select sum(weight) from weights) as score
       from hits join weights on weights.term = hits.term group by hits.id
     )
     select ${columns
       .split(', ')
       .map((column) => `mine.${column}`)
       .join(', ')}, scores.score
     from scores join mine on mine.id = scores.id order by scores.score desc, mine.updated_at desc, mine.id limit $5`,
    [...scopeValues(scope), terms, limit],
  )
  return rows.map(view)
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
    `update workbench.memories set text = $2, metadata = $3, search = to_tsvector('simple', $4), updated_at = now()
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
