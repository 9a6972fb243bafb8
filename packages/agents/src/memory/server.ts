/**
 * The memory as an MCP server in the runtime's own process: so no process that the agent starts ever holds what opens the memory.
 * What may be asked, and of whose memories, is decided on the other side.
 */
import { createSdkMcpServer, type McpSdkServerConfigWithInstance, tool } from '@anthropic-ai/claude-agent-sdk'
import type { MemoryCall } from '@tutti/contracts'
import { z } from 'zod'
import { memoryServer } from './tools.ts'

/** Rejects with a message for the agent. */
export type AskMemory = (call: MemoryCall) => Promise<unknown>

const id = z.string().describe('The id of the memory, as memory_search and memory_list tell it.')
const text = z
  .string()
  .describe('One fact, in a sentence or two that are understood without this conversation; at most 8000 characters.')

export const createMemoryServer = (ask: AskMemory): McpSdkServerConfigWithInstance => {
  const answer = async (call: MemoryCall) => {
    try {
      return { content: [{ type: 'text' as const, text: JSON.stringify(await ask(call)) }] }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      return { content: [{ type: 'text' as const, text: message }], isError: true }
    }
  }
  return createSdkMcpServer({
    name: memoryServer,
    version: '1',
    alwaysLoad: true,
    tools: [
      tool(
        'memory_search',
        'Finds memories that hold any of the words of the query, the best first.',
        { query: z.string(), limit: z.int().min(1).max(50).default(10) },
        ({ query, limit }) => answer({ op: 'search', query, limit }),
      ),
      tool(
        'memory_list',
        'Lists memories, the newest first.',
        { limit: z.int().min(1).max(100).default(50), offset: z.int().min(0).default(0) },
        ({ limit, offset }) => answer({ op: 'list', limit, offset }),
      ),
      tool('memory_get', 'Reads one memory.', { id }, (given) => answer({ op: 'get', id: given.id })),
      tool(
        'memory_add',
        'Remembers something for this and all later sessions of the user. What is remembered already is not remembered twice.',
        { text, only_this_project: z.boolean().default(false).describe('Only for sessions of the same project.') },
        (given) => answer({ op: 'add', text: given.text, only_this_project: given.only_this_project }),
      ),
      tool('memory_update', 'Writes a memory anew: it has become wrong, or incomplete.', { id, text }, (given) =>
        answer({ op: 'update', id: given.id, text: given.text }),
      ),
      tool('memory_delete', 'Forgets a memory for good.', { id }, (given) => answer({ op: 'delete', id: given.id })),
    ],
  })
}
