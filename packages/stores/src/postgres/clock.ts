import type { Pool } from 'pg'
import { createServerClock, type ServerClock } from '../clock.ts'

export const createDatabaseClock = (pool: Pool): Promise<ServerClock> =>
  createServerClock(async () => {
    const { rows } = await pool.query<{ now: string }>('SELECT tutti.now_ms() AS now')
    return Number(rows[0]?.now)
  })
