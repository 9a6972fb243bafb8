/** What the Claude Agent SDK is told for a turn. Pure, so that a test can read every promise off the result. */
import { join } from 'node:path'
import type { AgentDefinition, McpServerConfig, Options } from '@anthropic-ai/claude-agent-sdk'
import type { McpServer, MemoryCall, SubAgent, Turn } from '@tutti/contracts'
import type { BrowserConfig } from '../browser/browser.ts'
import { offeredTools } from './permissions.ts'

export interface ClaudeRuntimeConfig {
  /** The Claude Code executable. */
  executable: string
  /** Where the model provider is reached: inside a sandbox the loopback forwarder. */
  baseUrl: string
  /** What the provider (or the forwarder) wants to see. Inside a sandbox never a provider's key. */
  authToken: string
  /** The workspace. It must be the same path in every sandbox of a session, since the runtime files sessions under it. */
  cwd: string
  /** Where the runtime keeps its sessions. In the workspace, so that a later sandbox can resume them. */
  configDir: string
  /** The agent's environment, as its tools see it. */
  env: Readonly<Record<string, string | undefined>>
  /** Asks the memory of the turn's user; rejects with a message for the agent. Without, a turn that wants it is an error. */
  memory?: (turn: Turn, call: MemoryCall) => Promise<unknown>
  /** What a turn that asks for a browser gets; without, such a turn is an error. */
  browser?: ClaudeBrowser
  /** Whether the process of a turn that went well waits for the conversation's next turn. Who sets it calls `discard` at the end. */
  rests?: boolean
}

export interface ClaudeBrowser extends Omit<BrowserConfig, 'env'> {
  /** Keeps a picture of what a tool call has shown; gives its key, or undefined where it is not kept. */
  store(turn: Turn, toolUseId: string, png: Buffer): Promise<string | undefined>
}

/** Variables that would point the runtime at another provider, key or configuration than the ones given here. */
const decidedHere = /^(ANTHROPIC_|CLAUDE|AWS_BEARER_TOKEN_BEDROCK|TUTTI_)/

const environment = (config: ClaudeRuntimeConfig): Record<string, string | undefined> => ({
  ...Object.fromEntries(Object.entries(config.env).filter(([key]) => !decidedHere.test(key))),
  ANTHROPIC_BASE_URL: config.baseUrl,
  ANTHROPIC_AUTH_TOKEN: config.authToken,
  CLAUDE_CONFIG_DIR: config.configDir,
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  // The end of a turn is the end of its work: the workspace is exported then, and what still ran would be lost.
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
  // One whole list per change (TodoWrite) instead of tasks with ids, which a reader would have to add up.
  CLAUDE_CODE_ENABLE_TASKS: '0',
  CLAUDE_CODE_ENABLE_TODO_TOOLS: '1',
  // As root the runtime refuses to skip permissions unless it is told that a sandbox is around it.
  IS_SANDBOX: '1',
})

/** Connected before the first request, and its tools always shown: a server that was configured is meant to be used. */
const mcpServer = (server: McpServer): McpServerConfig =>
  server.type === 'http'
    ? {
        ...{ type: 'http', url: server.url, alwaysLoad: true },
        ...(server.headers === undefined ? {} : { headers: server.headers }),
      }
    : {
        ...{ type: 'stdio', command: server.command, alwaysLoad: true },
        ...(server.args === undefined ? {} : { args: server.args }),
        ...(server.env === undefined ? {} : { env: server.env }),
      }

const subAgent = ({ description, prompt, tools, model }: SubAgent): AgentDefinition => ({
  ...{ description, prompt },
  ...(tools === undefined ? {} : { tools }),
  ...(model === undefined ? {} : { model }),
})

const mapped = <From, To>(entries: Record<string, From>, change: (from: From) => To): Record<string, To> =>
  Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, change(value)]))

export const sdkOptions = (turn: Turn, config: ClaudeRuntimeConfig): Options => ({
  pathToClaudeCodeExecutable: config.executable,
  cwd: turn.cwd === undefined ? config.cwd : join(config.cwd, turn.cwd),
  // The SDK replaces the process environment with this one; nothing is inherited.
  env: environment(config),
  model: turn.model,
  includePartialMessages: true,
  forwardSubagentText: true,
  // Every message that it has read is repeated: so a message that steers is known to be taken.
  extraArgs: { 'replay-user-messages': null },
  // The workspace's own settings, and what was staged as the user's in the configuration folder: skills, commands,
  // agents, CLAUDE.md. Nothing of the machine: two sandboxes would differ.
  settingSources: ['user', 'project'],
  systemPrompt: {
    type: 'preset',
    preset: 'claude_code',
    ...(turn.instructions === undefined ? {} : { append: turn.instructions }),
  },
  tools: offeredTools(turn),
  permissionMode: turn.permission_mode,
  ...(turn.permission_mode === 'bypassPermissions' ? { allowDangerouslySkipPermissions: true } : {}),
  ...(turn.resume === undefined ? {} : { resume: turn.resume }),
  ...(turn.max_turns === undefined ? {} : { maxTurns: turn.max_turns }),
  // Over its input: on its command line every process of the sandbox could read the secrets in it.
  mcpServersDelivery: 'initialize',
  ...(turn.mcp_servers === undefined ? {} : { mcpServers: mapped(turn.mcp_servers, mcpServer) }),
  ...(turn.agents === undefined ? {} : { agents: mapped(turn.agents, subAgent) }),
  ...(turn.plugins === undefined
    ? {}
    : {
        plugins: turn.plugins.map((path) => ({ type: 'local', path: join(config.cwd, path) })),
        pluginDelivery: 'initialize',
      }),
  ...(turn.output_schema === undefined ? {} : { outputFormat: { type: 'json_schema', schema: turn.output_schema } }),
})
