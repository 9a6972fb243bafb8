/** Secrets: what is set is sealed, and opened only when a run is handed out that names it. */
import type { CreateEnvVar, CreateSystemEnvVar, EnvVarView, PatchEnvVar, PatchSystemEnvVar } from '@tutti/contracts'
import { TuttiError } from '@tutti/contracts'
import type { Database, Queryable } from '../database/database.ts'
import type { WorkbenchLog } from '../deps.ts'
import { type OwnedRow, type Owner, ownedRows } from './owned-rows.ts'
import type { Sealer } from './sealer.ts'

export interface EnvVarRow extends OwnedRow {
  key: string
  key_id: string
  sealed: Buffer
  shared: boolean
  description: string | null
}

export interface SecretDeps {
  database: Database
  sealer: Sealer
  log: WorkbenchLog
}

const rows = ownedRows<EnvVarRow>({ table: 'workbench.env_vars', noun: 'secret', orderBy: 'key' })

/** What the installation itself runs with: a user's configuration must never be able to name it, nor pretend to be it. */
const reserved =
  /^(ANTHROPIC|CLAUDE|OPENAI|GLM|MINIMAX|DEEPSEEK|SILICONFLOW|SKILLSMP|TUTTI|S3)_|^(SECRET_KEY|SECRET_KEY_PREVIOUS|INTERNAL_API_TOKEN|CLIENT_TOKEN|CALLBACK_TOKEN|DATABASE_URL|MODEL_PRICES|REDIS_PASSWORD)$/i

export const isReserved = (key: string): boolean => reserved.test(key)

/** What a sealed value belongs to: moved to another row of the database it can't be opened. */
const placeOf = (owner: Owner, key: string): string => (owner === null ? `system\0${key}` : `user\0${owner}\0${key}`)

/** The owner's, and the names of the operator's that are shared. */
export const listEnvVars = async ({ database, sealer }: SecretDeps, owner: Owner): Promise<EnvVarView[]> =>
  (await rows.list(database, owner))
    .filter((row) => row.user_id === owner || row.shared)
    .map((row) => view(sealer, row))

/** @throws TuttiError INVALID_BODY for a reserved name, CAPABILITY_EXISTS, CAPABILITY_LIMIT; FORBIDDEN for a scope that is not theirs */
export const createEnvVar = async (
  { database, sealer }: SecretDeps,
  owner: Owner,
  given: CreateEnvVar | CreateSystemEnvVar,
): Promise<EnvVarView> => {
  if ('scope' in given) refuseScope(owner, given.scope)
  const { key, value, description } = given
  if (isReserved(key))
    throw new TuttiError('INVALID_BODY', `${key} is reserved for the installation itself: choose another name`, {
      path: 'body.key',
    })
  const { keyId, bytes } = sealer.seal(value, placeOf(owner, key))
  const shared = 'shared' in given && given.shared
  const fields = { key, key_id: keyId, sealed: bytes, shared, description: description ?? null }
  return view(sealer, await rows.insert(database, owner, fields))
}

/** @throws TuttiError CAPABILITY_NOT_FOUND, FORBIDDEN */
export const patchEnvVar = (
  { database, sealer }: SecretDeps,
  owner: Owner,
  id: number,
  given: PatchEnvVar | PatchSystemEnvVar,
): Promise<EnvVarView> =>
  database.transaction(async (tx) => {
    const { value, ...fields } = given
    // A name never changes, so what is sealed for it is not moved.
    const { key } = await rows.update(tx, owner, id, fields)
    const { keyId, bytes } = value === undefined ? {} : sealer.seal(value, placeOf(owner, key))
    return view(sealer, await rows.update(tx, owner, id, { key_id: keyId, sealed: bytes }))
  })

/** @throws as {@link patchEnvVar} */
export const deleteEnvVar = async ({ database }: SecretDeps, owner: Owner, id: number): Promise<void> => {
  await rows.remove(database, owner, id)
}

/** Only the operator, with the operator's token, makes what is everybody's. @throws TuttiError FORBIDDEN */
export const refuseScope = (owner: Owner, scope: 'user' | 'system' | undefined): void => {
  if (owner !== null && scope === 'system')
    throw new TuttiError('FORBIDDEN', 'Only the operator can make what is everybody’s', { path: 'body.scope' })
}

/** What a user's configuration may name. Their own beats the operator's of the same name. */
export type Secrets = (key: string) => string | undefined

/** Those of these names, and no others, are opened. */
export const secretsOf = async (
  tx: Queryable,
  { sealer, log }: Pick<SecretDeps, 'sealer' | 'log'>,
  userId: string,
  names: readonly string[],
): Promise<Secrets> => {
  if (names.length === 0) return () => undefined
  const found = await tx.query<EnvVarRow>(
    `select * from workbench.env_vars
     where key = any ($2::text[]) and (user_id = $1 or (user_id is null and shared)) order by user_id nulls first`,
    [userId, names],
  )
  const values = new Map<string, string>()
  for (const row of found) {
    if (isReserved(row.key)) continue
    const value = opened(sealer, row)
    if (value !== undefined) values.set(row.key, value)
    // Not the operator's in its place: its owner believes to use their own.
    else values.delete(row.key)
    if (value === undefined)
      log.warn({ env_var: row.id }, 'a secret was sealed with a key that is not configured any more; set it again')
  }
  return (key) => values.get(key)
}

/** Undefined also for one that somebody has altered: it is as good as lost. */
const opened = (sealer: Sealer, { key_id: keyId, sealed, user_id, key }: EnvVarRow): string | undefined => {
  try {
    return sealer.open({ keyId, bytes: sealed }, placeOf(user_id, key))
  } catch {
    return undefined
  }
}

/** After a change of keys: seals anew what an older one still opens, so that it can be taken away. @returns how many */
export const sealAnew = ({ database, sealer }: SecretDeps): Promise<number> =>
  database.transaction(async (tx) => {
    // Another process may be at it: what it has locked is its.
    const old = await tx.query<EnvVarRow>(
      'select * from workbench.env_vars where key_id <> $1 order by id for update skip locked',
      [sealer.keyId],
    )
    let count = 0
    for (const row of old) {
      const value = opened(sealer, row)
      if (value === undefined) continue
      const { keyId, bytes } = sealer.seal(value, placeOf(row.user_id, row.key))
      await tx.query('update workbench.env_vars set key_id = $2, sealed = $3 where id = $1', [row.id, keyId, bytes])
      count += 1
    }
    return count
  })

const view = (sealer: Sealer, row: EnvVarRow): EnvVarView => ({
  id: row.id,
  user_id: row.user_id,
  key: row.key,
  description: row.description,
  scope: row.user_id === null ? 'system' : 'user',
  is_set: opened(sealer, row) !== undefined,
  shared: row.shared,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
})
