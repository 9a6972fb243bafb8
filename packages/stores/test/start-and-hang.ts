/** A process that starts the built-in PostgreSQL, says so, and waits to be killed. */
import { startBuiltInPostgres } from '../src/postgres/built-in.ts'

const [dataDir] = process.argv.slice(2)
if (!dataDir) throw new Error('usage: start-and-hang.ts DATA_DIR')
const postgres = await startBuiltInPostgres({ dataDir, durable: false })
process.stdout.write(`${postgres.connectionString}\n`)
setInterval(() => {}, 1_000)
