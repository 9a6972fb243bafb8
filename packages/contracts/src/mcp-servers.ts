/** Servers of the Model Context Protocol that users and the operator have written down for agents. */
import { z } from 'zod'
import { capabilityScope } from './env-vars.ts'
import { instant, jsonObject } from './json.ts'
import { ownServers } from './turn.ts'

/** Of skills, plugins, commands, sub-agents and servers: it becomes a file's name, or a part of a tool's. */
export const capabilityName = z
  .string()
  .max(100)
  .regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]+$/, 'letters, digits, and . _ - only')

export const mcpServerName = capabilityName.refine(
  (name) => !ownServers.includes(name),
  'it is the name of a built-in server',
)

/** `${VAR}`, `${env:VAR}` or `${VAR:-default}`; with a second dollar before it, it stands for itself. */
export const placeholder = /(\$?)\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g

const text = z.string().max(32_768)
const texts = z.record(z.string().min(1).max(256), text)

/** An address in which placeholders may stand; the first may hold all of it. */
const address = z
  .string()
  .max(2048)
  .refine((given) => {
    const url = addressOf(given)
    return url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackName(url.hostname))
  }, 'an address that begins with https://; http:// only leads to a server within the sandbox, at localhost')

const addressOf = (given: string): URL | null => {
  const filled = given.replaceAll(placeholder, (_, escaped, _name, _default, at) =>
    at === 0 && escaped === '' ? '\0' : 'x',
  )
  return URL.parse(filled.startsWith('\0') ? `https://x${filled.slice(1)}` : filled)
}

/** In a sandbox: the sandbox itself. */
export const isLoopbackName = (host: string): boolean => /^(localhost|127\.0\.0\.1|\[::1\])$/.test(host)

/** As it is written down: `command`, `args`, `env`, `url` and `headers` may hold placeholders, which a run's begin fills. */
export const mcpServerTemplate = z.union([
  z.strictObject({
    type: z.literal('stdio').optional(),
    command: text.min(1),
    args: z.array(text).max(200).optional(),
    env: texts.optional(),
  }),
  z.strictObject({ type: z.literal('http'), url: address, headers: texts.optional() }),
])
export type McpServerTemplate = z.infer<typeof mcpServerTemplate>

/** A server, or `{ mcpServers: { NAME: server } }` with one in it; its type follows from `command` or `url`. */
const serverConfig = jsonObject
const description = z.string().max(1000).nullish()

/** POST /api/v1/mcp-servers. Without a name it has that of the wrapper. */
export const createMcpServer = z.strictObject({
  name: mcpServerName.optional(),
  description,
  server_config: serverConfig,
  scope: capabilityScope.optional(),
})
export type CreateMcpServer = z.output<typeof createMcpServer>

/** PATCH /api/v1/mcp-servers/{id}: what is absent stays. */
export const patchMcpServer = z.strictObject({
  name: mcpServerName.optional(),
  description,
  server_config: serverConfig.optional(),
  scope: capabilityScope.optional(),
})
export type PatchMcpServer = z.output<typeof patchMcpServer>

export const mcpServerView = z.object({
  id: z.int(),
  name: z.string(),
  description: z.string().nullable(),
  scope: capabilityScope,
  owner_user_id: z.string().nullable(),
  /** Placeholders as they were written, never what fills them. */
  server_config: z.object({ mcpServers: z.record(z.string(), mcpServerTemplate) }),
  created_at: instant,
  updated_at: instant,
})
export type McpServerView = z.infer<typeof mcpServerView>
