/** MCP servers that users and the operator have written down. */
import {
  type CreateMcpServer,
  type JsonObject,
  type McpServerTemplate,
  type McpServerView,
  mcpServerName,
  mcpServerTemplate,
  type PatchMcpServer,
  TuttiError,
} from '@tutti/contracts'
import type { Database } from '../database/database.ts'
import { refuseScope } from './env-vars.ts'
import { type OwnedRow, type Owner, ownedRows } from './owned-rows.ts'

export interface McpServerRow extends OwnedRow {
  name: string
  description: string | null
  server: McpServerTemplate
}

export const mcpServerRows = ownedRows<McpServerRow>({ table: 'workbench.mcp_servers', noun: 'MCP server' })

export const listMcpServers = async (database: Database, owner: Owner): Promise<McpServerView[]> =>
  (await mcpServerRows.list(database, owner)).map(view)

/** @throws TuttiError CAPABILITY_NOT_FOUND */
export const readMcpServer = async (database: Database, owner: Owner, id: number): Promise<McpServerView> =>
  view(await mcpServerRows.find(database, owner, id))

/** @throws TuttiError INVALID_BODY, FORBIDDEN, CAPABILITY_EXISTS, CAPABILITY_LIMIT */
export const createMcpServer = async (
  database: Database,
  owner: Owner,
  { name, description, server_config, scope }: CreateMcpServer,
): Promise<McpServerView> => {
  refuseScope(owner, scope)
  const read = readServerConfig(server_config)
  const given = name ?? read.name
  if (given === undefined)
    throw new TuttiError('INVALID_BODY', 'body.name: the server needs a name', { path: 'body.name' })
  refuseReserved(given)
  const fields = { name: given, description: description ?? null, server: read.server }
  return view(await mcpServerRows.insert(database, owner, fields))
}

/** @throws as {@link createMcpServer}, and CAPABILITY_NOT_FOUND */
export const patchMcpServer = async (
  database: Database,
  owner: Owner,
  id: number,
  { name, description, server_config, scope }: PatchMcpServer,
): Promise<McpServerView> => {
  refuseScope(owner, scope)
  if (name !== undefined) refuseReserved(name)
  const server = server_config && readServerConfig(server_config).server
  return view(await mcpServerRows.update(database, owner, id, { name, description, server }))
}

/** @throws TuttiError CAPABILITY_NOT_FOUND, FORBIDDEN */
export const deleteMcpServer = async (database: Database, owner: Owner, id: number): Promise<void> => {
  await mcpServerRows.remove(database, owner, id)
}

/** The agent's own servers have these names. */
const refuseReserved = (name: string): void => {
  if (['browser', 'tutti'].includes(name.toLowerCase()))
    throw new TuttiError('INVALID_BODY', `body.name: ${name} is a server of the agent itself`, { path: 'body.name' })
}

/** Bare, or in a wrapper with exactly one; the name is that of the wrapper. @throws TuttiError INVALID_BODY with the path */
export const readServerConfig = (given: JsonObject): { name?: string; server: McpServerTemplate } => {
  const { mcpServers } = given
  if (mcpServers === undefined) return { server: readServer(given, 'body.server_config') }
  const path = 'body.server_config.mcpServers'
  const entries = isObject(mcpServers) ? Object.entries(mcpServers) : []
  const [first] = entries
  if (first === undefined || entries.length > 1) throw fault(path, 'must hold exactly one server')
  const [name, server] = first
  if (!mcpServerName.safeParse(name).success)
    throw fault(`${path}.${name}`, 'letters, digits, and . _ - only, and not the name of a built-in server')
  return { name, server: readServer(server, `${path}.${name}`) }
}

const readServer = (given: unknown, path: string): McpServerTemplate => {
  if (!isObject(given)) throw fault(path, 'must be an object')
  if (given.type === 'sse') throw fault(`${path}.type`, 'sse is not offered: use http, which servers of today speak')
  // Of a server without a type, by what it has; so the fault that is told is one of the kind that was meant.
  const type = given.type ?? ('command' in given ? 'stdio' : 'url' in given ? 'http' : undefined)
  const [stdio, http] = mcpServerTemplate.options
  const schema = type === 'stdio' ? stdio : type === 'http' ? http : undefined
  if (schema === undefined) throw fault(path, 'needs either `command` (stdio) or `url` (http)')
  const read = schema.safeParse({ ...given, type })
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw fault([path, ...(issue?.path ?? [])].join('.'), issue?.message ?? 'invalid')
}

const fault = (path: string, message: string): TuttiError =>
  new TuttiError('INVALID_BODY', `${path}: ${message}`, { path })

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const view = (row: McpServerRow): McpServerView => ({
  id: row.id,
  name: row.name,
  description: row.description,
  scope: row.user_id === null ? 'system' : 'user',
  owner_user_id: row.user_id,
  server_config: { mcpServers: { [row.name]: row.server } },
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
})
