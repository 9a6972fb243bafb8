/** A simulation on a real PostgreSQL: a database of its own for each seed, whose clock runs fast. */
import pg from 'pg'
import { createPostgresStore } from '../postgres/postgres-store.ts'
import type { OpenStage } from './stage.ts'
import { createPacedWorld } from './world.ts'

/** A minute of storm takes three seconds; a round trip of some milliseconds still looks like one to a distant server. */
const pace = 20

/** `server` addresses any database of a server on which others may be made. */
export const postgresStage = (server: string): OpenStage => {
  const on = async <T>(address: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({ connectionString: address })
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }
  return async () => {
    const name = `simulation_${crypto.randomUUID().replaceAll('-', '')}`
    await on(server, (client) => client.query(`CREATE DATABASE ${name}`))
    const address = server.replace(/\/[^/?]*(\?|$)/, `/${name}$1`)
    const store = await createPostgresStore({ connectionString: address })
    const now = await on(address, async (client) => {
      const { rows } = await client.query<{ now: string }>('SELECT tutti.now_ms() AS now')
      const here = Date.now()
      const there = Number(rows[0]?.now)
      await client.query(`CREATE OR REPLACE FUNCTION tutti.now_ms() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
        SELECT floor(${there} + (extract(epoch FROM clock_timestamp()) * 1000 - ${there}) * ${pace})::bigint $$`)
      return () => Math.floor(there + (Date.now() - here) * pace)
    })
    return {
      store: { ...store, now },
      world: createPacedWorld({ now, pace }),
      exact: false,
      close: async () => {
        await store.close()
        await on(server, (client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`))
      },
    }
  }
}
