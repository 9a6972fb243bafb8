/** What a user has at hand of skills, servers and plugins; switched on, it comes with every task. */
import type { Database } from '../database/database.ts'
import { type OwnedRow, ownedRows } from './owned-rows.ts'

export type InstallKind = 'skill' | 'mcp' | 'plugin'

interface InstallRow extends OwnedRow {
  user_id: string
  item_id: number
  enabled: boolean
}

/** `item_id` has another name on each wire: the route gives it that. */
export interface Install {
  id: number
  user_id: string
  item_id: number
  enabled: boolean
  created_at: string
  updated_at: string
}

const rowsOf = (kind: InstallKind) =>
  ownedRows<InstallRow>({ table: `workbench.${kind}_installs`, noun: 'install', orderBy: 'item_id' })

export const listInstalls = async (database: Database, kind: InstallKind, userId: string): Promise<Install[]> =>
  (await rowsOf(kind).list(database, userId)).map(view)

/**
 * @param find throws where the user can't use the item
 * @throws TuttiError CAPABILITY_NOT_FOUND, CAPABILITY_EXISTS
 */
export const createInstall = async (
  database: Database,
  kind: InstallKind,
  userId: string,
  { item_id, enabled }: { item_id: number; enabled: boolean },
  find: (id: number) => Promise<unknown>,
): Promise<Install> => {
  await find(item_id)
  return view(await rowsOf(kind).insert(database, userId, { item_id, enabled }))
}

/** @throws TuttiError CAPABILITY_NOT_FOUND */
export const patchInstall = async (
  database: Database,
  kind: InstallKind,
  userId: string,
  id: number,
  enabled: boolean,
): Promise<Install> => view(await rowsOf(kind).update(database, userId, id, { enabled }))

/** @throws TuttiError CAPABILITY_NOT_FOUND */
export const deleteInstall = async (
  database: Database,
  kind: InstallKind,
  userId: string,
  id: number,
): Promise<void> => {
  await rowsOf(kind).remove(database, userId, id)
}

/** All of the user's, where none are named. @returns how many are so now that were not */
export const patchInstalls = async (
  database: Database,
  kind: InstallKind,
  userId: string,
  { enabled, install_ids }: { enabled: boolean; install_ids?: number[] | undefined },
): Promise<number> => {
  const changed = await database.query(
    `update workbench.${kind}_installs set enabled = $2, updated_at = now()
     where user_id = $1 and enabled <> $2 and ($3::bigint[] is null or id = any ($3)) returning id`,
    [userId, enabled, install_ids ?? null],
  )
  return changed.length
}

const view = ({ created_at, updated_at, ...row }: InstallRow): Install => ({
  ...row,
  created_at: created_at.toISOString(),
  updated_at: updated_at.toISOString(),
})
