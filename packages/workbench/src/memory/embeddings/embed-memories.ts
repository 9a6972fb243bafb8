/**
 * Gives memories their vectors, behind those who write them: nobody waits for a model, and a memory without its vector is found by its
 * words. Any process does it; what one has begun and not ended is taken up after a minute.
 */

import { type OwnCall, ownCall } from '../../budgets/own-call.ts'
import type { Database } from '../../database/database.ts'
import type { WorkbenchDeps } from '../../deps.ts'
import { ProviderRefusedError } from '../../openai/post.ts'
import type { Meaning } from '../search.ts'
import type { EmbeddingModel } from './embedding-model.ts'

export interface Embeddings {
  model: EmbeddingModel
  /** Null where the price is not known. */
  costOf(usage: ReturnType<EmbeddingModel['most']>): number | null
}

type Deps = Pick<WorkbenchDeps, 'database' | 'budgets' | 'log'> & { embeddings: Embeddings }

type Spending = Pick<OwnCall, 'userId' | 'sessionId'>

interface Due {
  id: string
  user_id: string
  text: string
}

const together = 32
const everyMs = 2_000
const patienceMs = 30_000
/** Somebody waits for the search. */
const queryPatienceMs = 3_000
/** Seconds that a failure puts it off: doubled with each, up to an hour. */
const firstPauseSeconds = 5
/** A budget that is used up may be raised, or its month ends. */
const budgetPauseSeconds = 600

/** @returns a function that ends it, and resolves when none is at work any more */
export const keepEmbedding = (deps: Deps): (() => Promise<void>) => {
  const stop = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let working: Promise<void> = Promise.resolve()
  const work = (): void => {
    working = embedAll(deps, stop.signal)
      .catch((err: unknown) => deps.log.warn({ err }, 'memories could not be given their vectors; they will be'))
      .then(() => {
        if (!stop.signal.aborted) timer = setTimeout(work, everyMs)
      })
  }
  working = forgetOthers(deps)
    .catch((err: unknown) => deps.log.warn({ err }, 'vectors of another model could not be dropped'))
    .then(work)
  return async () => {
    stop.abort()
    clearTimeout(timer)
    await working
  }
}

/**
 * What a query means; null where no model is configured, it does not tell in time, or budgets have no room: then its words must do.
 * Never rejects.
 */
export const meaningOf = async (
  { embeddings, ...deps }: Pick<WorkbenchDeps, 'database' | 'budgets' | 'log' | 'embeddings'>,
  who: Spending,
  query: string,
): Promise<Meaning | null> => {
  if (embeddings === null) return null
  try {
    const [vector] = (await ask({ ...deps, embeddings }, who, [query], AbortSignal.timeout(queryPatienceMs))) ?? []
    return vector === undefined ? null : { model: embeddings.model.model, vector }
  } catch (error) {
    deps.log.warn({ reason: String(error) }, 'a search in the memory goes by words alone')
    return null
  }
}

/** After the model was changed: vectors of two can't be compared. */
const forgetOthers = ({ database, embeddings }: Deps): Promise<unknown> =>
  database.query(
    `update workbench.memories set embedded_by = null, embedding = null, embed_at = now(), embed_tries = 0
     where embedded_by <> $1`,
    [embeddings.model.model],
  )

const embedAll = async (deps: Deps, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    const due = await takeDue(deps.database)
    if (due.length === 0) return
    await embedDue(deps, due, signal)
  }
}

/** Of one user, as each pays for the own ones. */
const takeDue = (database: Database): Promise<Due[]> =>
  database.query<Due>(
    `with due as (
       select id from workbench.memories
       where embedded_by is null and embed_at <= now() and user_id = (
         select user_id from workbench.memories where embedded_by is null and embed_at <= now() order by embed_at limit 1
       )
       order by embed_at limit $1 for update skip locked
     )
     update workbench.memories m set embed_at = now() + interval '1 minute' from due where m.id = due.id
     returning m.id, m.user_id, m.text`,
    [together],
  )

const embedDue = async (deps: Deps, due: readonly Due[], signal: AbortSignal): Promise<void> => {
  const [first] = due
  if (first === undefined) return
  try {
    const texts = due.map(({ text }) => text)
    const vectors = await ask(
      deps,
      { userId: first.user_id, sessionId: null },
      texts,
      AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]),
    )
    if (vectors === null) return await putOff(deps.database, due, budgetPauseSeconds)
    await keep(deps, due, vectors)
  } catch (error) {
    if (signal.aborted) return
    if (error instanceof ProviderRefusedError && due.length > 1) {
      // One text that the model does not take must not keep the others from theirs.
      for (const one of due) await embedDue(deps, [one], signal)
      return
    }
    deps.log.warn({ reason: String(error), memories: due.length }, 'memories got no vectors yet')
    await putOff(deps.database, due, null)
  }
}

/** Null where budgets have no room. */
const ask = async (
  { database, budgets, embeddings: { model, costOf } }: Deps,
  who: Spending,
  texts: readonly string[],
  signal: AbortSignal,
): Promise<Buffer[] | null> => {
  const usage = model.most(texts)
  const most = { input_tokens: usage.input_tokens, output_tokens: 0, cost_usd: costOf(usage) }
  return ownCall(
    { database, budgets },
    { ...who, purpose: 'memory', model: model.model, provider: 'openai', most },
    async () => {
      const embedded = await model.embed(texts, signal)
      return { value: embedded.vectors, usage: embedded.usage, cost_usd: costOf(embedded.usage) }
    },
  )
}

/** Where the text is still the one that was looked at. */
const keep = ({ database, embeddings }: Deps, due: readonly Due[], vectors: readonly Buffer[]): Promise<unknown> =>
  database.query(
    `update workbench.memories m set embedding = made.embedding, embedded_by = $4, embed_tries = 0
     from unnest($1::uuid[], $2::text[], $3::bytea[]) as made (id, text, embedding)
     where m.id = made.id and m.text = made.text and m.embedded_by is null`,
    [due.map(({ id }) => id), due.map(({ text }) => text), vectors, embeddings.model.model],
  )

/** @param seconds null: longer with every failure */
const putOff = async (database: Database, due: readonly Due[], seconds: number | null): Promise<void> => {
  await database.query(
    `update workbench.memories m
     set embed_at = now() + make_interval(secs => coalesce($2::float8, least(3600, $3 * 2 ^ least(embed_tries, 20)))),
         embed_tries = embed_tries + case when $2 is null then 1 else 0 end
     where id = any($1::uuid[]) and embedded_by is null`,
    [due.map(({ id }) => id), seconds, firstPauseSeconds],
  )
}
