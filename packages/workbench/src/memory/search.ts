/** Finding memories: by their words, and where a model of embeddings is configured, also by what they mean. */
import type { MemoryView, SearchMemories } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { termsOf } from '../session/words.ts'
import { similarityTo } from './embeddings/vector.ts'
import { type AgentScope, columns, inScope, type MemoryRow, type Scope, scopeValues, view } from './memories.ts'

/** Words of a query that are looked for; a question has fewer. */
const mostTerms = 40

/** So many of each kind are ranked; what is further down in both is no answer. */
const candidates = 100

/** What a query means, to one model. */
export interface Meaning {
  model: string
  vector: Uint8Array
}

type Request = Pick<SearchMemories, 'query' | 'limit'>

/** The best first. */
export const searchIn = async (
  database: Queryable,
  scope: Scope | AgentScope,
  { query, limit }: Request,
  meaning: Meaning | null,
): Promise<MemoryView[]> => {
  if (meaning === null) return byWords(database, scope, { query, limit })
  const worded = await byWords(database, scope, { query, limit: candidates })
  const near = await nearest(database, scope, meaning)
  const ranked = fused([worded.map(({ id }) => id), near]).slice(0, limit)
  const rows = await database.query<MemoryRow>(
    `select ${columns} from workbench.memories where ${inScope} and id = any($4::uuid[])`,
    [...scopeValues(scope), ranked.map(({ id }) => id)],
  )
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ranked.flatMap(({ id, score }) => {
    const row = byId.get(id)
    return row === undefined ? [] : [view({ ...row, score })]
  })
}

/** Flattens the first ranks, so that one list's first does not outweigh what both hold. */
const rankOffset = 60

/**
 * Reciprocal rank fusion (Cormack, Clarke, Büttcher 2009): scores of words and of meaning can't be compared, their ranks can. 1 is the
 * first of both lists.
 */
export const fused = (lists: readonly (readonly string[])[]): { id: string; score: number }[] => {
  const scores = new Map<string, number>()
  for (const list of lists)
    for (const [rank, id] of list.entries())
      scores.set(id, (scores.get(id) ?? 0) + (rankOffset + 1) / (rankOffset + 1 + rank) / lists.length)
  return [...scores].map(([id, score]) => ({ id, score })).sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
}

/**
 * All of them are compared, without an index: a user has 5,000 at most, which is 8 MB and some tens of milliseconds, and every PostgreSQL
 * can do it.
 */
const nearest = async (
  database: Queryable,
  scope: Scope | AgentScope,
  { model, vector }: Meaning,
): Promise<string[]> => {
  const rows = await database.query<{ id: string; embedding: Buffer }>(
    `select id, embedding from workbench.memories where ${inScope} and embedded_by = $4`,
    [...scopeValues(scope), model],
  )
  const similarity = similarityTo(vector)
  return rows
    .map(({ id, embedding }) => ({ id, near: similarity(embedding) }))
    .filter(({ near }) => near > 0)
    .sort((a, b) => b.near - a.near || (a.id < b.id ? -1 : 1))
    .slice(0, candidates)
    .map(({ id }) => id)
}

/**
 * Those that hold any of the words, each as the beginning of a word; the best first. A word weighs the more the fewer of the user's
 * memories hold it: so a question may be asked in whole sentences of any language, without a list of words that say nothing.
 */
const byWords = async (
  database: Queryable,
  scope: Scope | AgentScope,
  { query, limit }: Request,
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
