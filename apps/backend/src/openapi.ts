/** What the OpenAPI document says of this server as a whole. */
import * as contracts from '@tutti/contracts'
import { documentRoutes } from '@tutti/openapi'
import type { FastifyInstance } from 'fastify'

/** To be called before the routes are registered, or they are not in it. */
export const documentBackend = (app: FastifyInstance): void =>
  documentRoutes(app, {
    title: 'Tutti backend',
    description:
      'Sessions with agents. Answers are `{code, message, data}`: code 0 is success; else `data.code` is stable and `data.hint` says what to do.',
    tags: [
      { name: 'tasks', description: 'Messages, and those that wait for their turn' },
      { name: 'sessions', description: 'Conversations with their workspaces' },
      { name: 'messages', description: 'What was said' },
      { name: 'runs', description: 'Turns' },
      { name: 'requests of agents', description: 'Questions, plans, consent' },
      { name: 'inbox', description: 'All that waits for a decision' },
      { name: 'streams', description: 'What happens, as it happens' },
      { name: 'projects', description: 'What groups sessions' },
      { name: 'attachments', description: 'Files to send with messages' },
      { name: 'scheduled tasks', description: 'Messages that send themselves' },
      { name: 'memories', description: 'What agents remember for their user' },
      { name: 'workspaces', description: 'What an agent works on, as it was left' },
      { name: 'env-vars', description: 'Secrets, which nobody reads again' },
      { name: 'mcp-servers', description: 'Servers of the Model Context Protocol for agents' },
      { name: 'skills', description: 'Folders that teach agents something' },
      { name: 'plugins', description: 'Folders that extend an agent’s runtime' },
      { name: 'slash-commands', description: 'Prompts with a name' },
      { name: 'subagents', description: 'Agents for an agent' },
      { name: 'claude-md', description: 'What all agents of a user are told' },
      { name: 'presets', description: 'Bundles of all that' },
      { name: 'search', description: 'Full text' },
      { name: 'usage', description: 'Tokens and money' },
      { name: 'budgets', description: 'Limits' },
      { name: 'models', description: 'What may be chosen' },
      { name: 'schedules', description: 'When runs are taken' },
      { name: 'files', description: 'Where presigned addresses of a local folder lead' },
      { name: 'auth', description: 'Who is asking' },
      { name: 'internal', description: 'For other processes of the installation' },
      { name: 'executor managers', description: 'For those who run agents' },
      { name: 'public', description: 'Without a token' },
    ],
    securitySchemes: {
      bearer: { type: 'http', scheme: 'bearer' },
      clientToken: { type: 'apiKey', in: 'header', name: 'X-Client-Token' },
      internalToken: { type: 'apiKey', in: 'header', name: 'X-Internal-Token' },
    },
    schemas: {
      // Recursive: without a name of its own it could not be written down at all.
      Json: contracts.json,
      FileNode: contracts.fileNode,
      Session: contracts.sessionView,
      Run: contracts.runView,
      Message: contracts.messageView,
      ToolExecution: contracts.toolExecutionView,
      TaskConfig: contracts.taskConfigPatch,
      Frame: contracts.sessionFrame,
      Project: contracts.projectView,
    },
  })

export const userSecurity = [{ bearer: [] }, { clientToken: [] }]
export const managerSecurity = [{ internalToken: [] }]

/** A page of somebody else is refused anywhere, and any answer may need the database. */
export const anywhere = ['FORBIDDEN', 'INTERNAL', 'STORE_UNAVAILABLE', 'SHUTTING_DOWN'] as const
