/** What no rule can know of an operation: what it needs to succeed, and the exceptions, each with its reason. */
import { plugin, skill } from './objects.ts'

/** Open to everybody, and why. */
export const open: Record<string, string> = {
  'GET /': 'says that the process is alive, and nothing else',
  'GET /health': 'the same, where load balancers look for it',
  'GET /api/v1/config': 'a page must know where the API is before anybody has logged in',
  'GET /api/v1/auth/config': 'a page must know whether to ask for a log-in before anybody has logged in',
  'GET /api/v1/filesystem/support': 'the same of folders to mount; it is a constant of the program',
  'GET /api/v1/objects/{*}': 'the signature in the address is the authorisation',
  'HEAD /api/v1/objects/{*}': 'the same',
  'PUT /api/v1/objects/{*}': 'the same',
}

/** What its owner is answered otherwise than with success, and why. */
export const ownAnswers: Record<string, { status: number; why: string }> = {
  'GET /api/v1/schedules': { status: 503, why: 'no manager is configured' },
}

/** The query that an operation needs beside what its schema says. */
export const queries: Record<string, string> = {
  'GET /api/v1/sessions/{id}/workspace/folder-archive': 'path=folder',
  'GET /api/v1/runs/{id}/workspace/folder-archive': 'path=folder',
  'GET /api/v1/sessions/{id}/workspace/file': 'path=folder/a.txt',
  'GET /api/v1/runs/{id}/workspace/file': 'path=folder/a.txt',
  'GET /api/v1/workspace/file/{user}/{session}': 'path=a.txt',
}

/** What the owner sends beside the least that the schema takes, so that it is a request that can succeed. */
export const bodies: Record<string, object> = {
  answerInputRequest: { decision: 'allow' },
  putBudget: { scope: 'session', scope_id: '', limits: { tokens: 1_000_000 } },
  putOperatorBudget: { scope: 'session', scope_id: '', limits: { tokens: 1_000_000 } },
  putPreset: { name: 'another preset' },
  createScheduledTask: { cron: '0 0 1 1 *' },
  createMcpServer: { name: 'server', server_config: { command: 'true' } },
  createSystemMcpServer: { name: 'server', server_config: { command: 'true' } },
  createSkill: skill('skill'),
  createSystemSkill: skill('skill'),
  createPlugin: plugin('plugin'),
  createSystemPlugin: plugin('plugin'),
  createSlashCommand: { content: 'Do it.' },
  createSubagent: { description: 'of tests', prompt: 'Do it.' },
  createMemory: { text: 'a memory' },
}

/** Fields where to name what one has not is no fault, and why. */
export const harmless: Record<string, string> = {
  'POST /api/v1/memories/search {project_id}': 'there it looks for nothing, and finds what is for all projects',
  'PATCH /api/v1/skill-installs/bulk {install_ids}': 'it tells how many it has changed: none',
  'PATCH /api/v1/mcp-installs/bulk {install_ids}': 'the same',
  'PATCH /api/v1/plugin-installs/bulk {install_ids}': 'the same',
}

/** Parameters of paths that name no object. */
export const others: Record<string, string> = { '*': 'attachments/x', after: '0' }
