/** What the stations of a run need from outside. */
import type { Engine } from '@tutti/engine'
import type { BudgetSettings } from './budgets/limits.ts'
import type { Sealer } from './capabilities/sealer.ts'
import type { Database } from './database/database.ts'
import type { Embeddings } from './memory/embeddings/embed-memories.ts'
import type { SnapshotObjects, SnapshotReader } from './snapshots/objects.ts'
import type { WebhookDeps } from './webhooks/of-run.ts'

/** Where failures go that nobody is there to answer to. */
export interface WorkbenchLog {
  warn(facts: object, message: string): void
}

export interface WorkbenchDeps {
  database: Database
  engine: Engine
  log: WorkbenchLog
  /** Whose session an agent run becomes that a blueprint's job asked for. */
  ownerOf: (client: string) => string
  newId: () => string
  budgets: BudgetSettings
  /** Whether users may choose the model. */
  offersModel: (model: string) => boolean
  snapshots: SnapshotReader
  /** Null where there is no object storage: then no snapshot can be read either. */
  objects: SnapshotObjects | null
  /** What gives memories their vectors; null: they are found by words alone. */
  embeddings: Embeddings | null
  webhooks: WebhookDeps
  /** Of secrets. */
  sealer: Sealer
}
