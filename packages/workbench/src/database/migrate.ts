/**
 * Brings the schema `workbench` up to this version: numbered files, each applied once, in one transaction each.
 * Many processes may start at once: an advisory lock lets one migrate while the others wait.
 */
import { readdir, readFile } from 'node:fs/promises'
import type { Database, Queryable } from './database.ts'

/** Any fixed number serves; it only has to differ from those of other users of the same database. */
const lockKey = 7_481_926_301

export interface Migration {
  version: number
  name: string
  sql: string
}

export const readMigrations = async (folder: URL = new URL('./migrations/', import.meta.url)): Promise<Migration[]> => {
  const names = (await readdir(folder)).filter((name) => /^\d{4}-.*\.sql$/.test(name)).sort()
  return Promise.all(
    names.map(async (name) => ({
      version: Number(name.slice(0, 4)),
      name,
      sql: await readFile(new URL(name, folder), 'utf8'),
    })),
  )
}

/** @throws Error when the schema was made by a newer version: going on could destroy what this version does not know. */
export const migrate = async (database: Database, migrations?: Migration[]): Promise<void> => {
  const known = migrations ?? (await readMigrations())
  const newest = known.at(-1)?.version ?? 0
  await database.transaction(async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [lockKey])
    const present = await presentVersion(tx)
    if (present > newest)
      throw new Error(
        `the database schema "workbench" has version ${present}, and this Tutti knows only ${newest}: ` +
          'start the newer Tutti, or restore the backup made before the upgrade',
      )
    for (const migration of known.filter(({ version }) => version > present)) {
      await tx.query(migration.sql)
      await tx.query('insert into workbench.schema_migrations (version, name) values ($1, $2)', [
        migration.version,
        migration.name,
      ])
    }
  })
}

const presentVersion = async (tx: Queryable): Promise<number> => {
  await tx.query('create schema if not exists workbench')
  await tx.query(`create table if not exists workbench.schema_migrations (
    version integer primary key, name text not null, applied_at timestamptz not null default now())`)
  const [row] = await tx.query<{ version: number | null }>(
    'select max(version) as version from workbench.schema_migrations',
  )
  return row?.version ?? 0
}
