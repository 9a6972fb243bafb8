/** The memory's tools by name. Apart from the server, which loads schemas: permissions are judged in every turn. */

export const memoryServer = 'memory'

const reads = ['memory_search', 'memory_list', 'memory_get']
const writes = ['memory_add', 'memory_update', 'memory_delete']

/** Whoever switched the memory on has agreed to its use: nobody is asked about each call. */
export const isMemoryTool = (tool: string, kind: 'read' | 'any'): boolean =>
  [...reads, ...(kind === 'any' ? writes : [])].some((name) => tool === `mcp__${memoryServer}__${name}`)
