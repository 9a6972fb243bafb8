/**
 * What a manager puts into a workspace before a turn, resolved by the backend: whose skills and secrets they are has been checked,
 * placeholders are filled. Paths are relative to the workspace, with `/` between, and never leave it.
 */
import { z } from 'zod'
import { turn } from './turn.ts'

const path = z.string().min(1).max(1024)
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
/** Left out: it is not. */
const executable = z.boolean().optional()

/** A file with its text, or one that lies in object storage. */
export const plannedFile = z.union([
  z.object({ path, content: z.string().max(8_000_000), executable }),
  z.object({
    ...{ path, key: z.string().min(1), size: z.int().nonnegative().nullable(), sha256: sha256.nullable() },
    executable,
  }),
])
export type PlannedFile = z.infer<typeof plannedFile>

/** A folder that lies in object storage, as a zip or as the objects below a prefix. */
export const plannedFolder = z.object({
  path,
  key: z.string().min(1),
  kind: z.enum(['zip', 'prefix']),
  /** Of the zip; null where it is not known, and of a prefix. */
  sha256: sha256.nullable(),
})
export type PlannedFolder = z.infer<typeof plannedFolder>

export const plannedRepository = z.object({
  url: z.string().min(1).max(2048),
  branch: z.string().min(1).max(255).nullable(),
  path,
  /** A secret: it is never written into the workspace, the command line or a log. */
  token: z.string().nullable(),
  /** The newest commit only: something to look at, not to work on. Whatever lies at its path already stays. */
  shallow: z.boolean().default(false),
})
export type PlannedRepository = z.infer<typeof plannedRepository>

export const stagingPlan = z.object({
  files: z.array(plannedFile).max(10_000).default([]),
  folders: z.array(plannedFolder).max(1_000).default([]),
  /** Folders that hold only what is planned: what else lies there is left from an earlier run, and removed. */
  managed: z.array(path).max(100).default([]),
  repositories: z.array(plannedRepository).max(1_000).default([]),
})
export type StagingPlan = z.infer<typeof stagingPlan>

/** What the run's configuration means for its turn. */
export const turnOptions = turn
  .pick({
    command: true,
    rules: true,
    cwd: true,
    instructions: true,
    tools: true,
    max_turns: true,
    mcp_servers: true,
    agents: true,
    plugins: true,
    browser: true,
    memory: true,
    output_schema: true,
  })
  .extend({ runtime: turn.shape.runtime.default('claude'), model: turn.shape.model.optional() })
export type TurnOptions = z.infer<typeof turnOptions>

/** A host that an MCP server of the run is reached at. */
export const neededHost = z.object({
  host: z.string(),
  /** The name of the server. */
  server: z.string(),
  /** The operator wrote the server down, and so lets runs reach it; else the operator's lists of hosts decide. */
  granted: z.boolean(),
})
export type NeededHost = z.infer<typeof neededHost>
