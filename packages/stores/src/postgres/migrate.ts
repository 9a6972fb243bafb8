/** Brings a schema to the newest version: numbered plain SQL files, in order, each once, under an advisory lock. */
import { readdir, readFile } from 'node:fs/promises'
import type { Pool, PoolClient } from 'pg'

export class SchemaVersionError extends Error {
  override readonly name = 'SchemaVersionError'
}

export interface MigrateOptions {
  /** Made if it is missing. */
  schema: string
  /** Folder of files `0001-what.sql`. */
  folder: URL
}

/**
 * Safe to call from many processes at once.
 * @throws SchemaVersionError when the database was migrated by a newer version: going on could destroy what it added
 */
export const migrate = async (pool: Pool, { schema, folder }: MigrateOptions): Promise<void> => {
  const files = (await readdir(folder)).filter((file) => /^\d{4}-.*\.sql$/.test(file)).sort()
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`migrate:${schema}`])
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
    await client.query(
      `CREATE TABLE IF NOT EXISTS ${schema}.migrations (version int PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL DEFAULT now())`,
    )
    await apply(client, schema, folder, files)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}

const apply = async (client: PoolClient, schema: string, folder: URL, files: string[]): Promise<void> => {
  const { rows } = await client.query<{ version: number }>(`SELECT version FROM ${schema}.migrations`)
  const done = new Set(rows.map((row) => row.version))
  const newest = Math.max(0, ...files.map(versionOf))
  const ahead = Math.max(0, ...done)
  if (ahead > newest)
    throw new SchemaVersionError(
      `the schema "${schema}" has version ${ahead}, this program knows ${newest}: run the newer program, or use another database`,
    )
  for (const file of files) {
    if (done.has(versionOf(file))) continue
    await client.query(await readFile(new URL(file, folder), 'utf8'))
    await client.query(`INSERT INTO ${schema}.migrations (version, name) VALUES ($1, $2)`, [versionOf(file), file])
  }
}

const versionOf = (file: string): number => Number(file.slice(0, 4))
