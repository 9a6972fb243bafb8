export { createMemoryStore, type MemoryStoreOptions } from './memory/memory-store.ts'
export { migrate, SchemaVersionError } from './postgres/migrate.ts'
export { createPostgresStore, type PostgresStoreOptions } from './postgres/postgres-store.ts'
