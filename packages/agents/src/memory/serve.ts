/**
 * The memory for an agent that is a program of its own: served at a socket for one turn, to which a small program of ours leads that the
 * agent starts. So nothing that the agent holds opens the memory of anybody else, or this one once the turn is over.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { McpServer } from '@tutti/contracts'
import { type AskMemory, createMemoryServer } from './server.ts'

export interface ServedMemory {
  /** What the agent is told to start. */
  server: McpServer
  /** Hangs up on whoever still listens. */
  close(): Promise<void>
}

/** Characters of one message: a memory has at most 8000, each of up to six in JSON. */
const longestMessage = 100_000
/** An agent starts its servers once, and perhaps once more for a helper. */
const mostConnections = 8

type McpInstance = ReturnType<typeof createMemoryServer>['instance']
type Transport = Parameters<McpInstance['connect']>[0]

export const serveMemory = async (ask: AskMemory): Promise<ServedMemory> => {
  const folder = await mkdtemp(join(tmpdir(), 'memory-'))
  const path = join(folder, 'socket')
  const open = new Set<Socket>()
  const listener = createServer((socket) => {
    if (open.size >= mostConnections) return socket.destroy()
    open.add(socket)
    socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket))
    createMemoryServer(ask)
      .instance.connect(transportOver(socket))
      .catch(() => socket.destroy())
  })
  await new Promise<void>((resolve, reject) => listener.once('error', reject).listen(path, resolve))
  await chmod(path, 0o600)
  return {
    server: {
      ...{ type: 'stdio', command: process.execPath },
      args: [fileURLToPath(new URL('bridge.ts', import.meta.url)), path],
    },
    close: async () => {
      for (const socket of open) socket.destroy()
      await new Promise<void>((resolve) => listener.close(() => resolve()))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A message to a line, as the protocol has it over standard streams. */
const transportOver = (socket: Socket): Transport => {
  const transport: Transport = {
    start: async () => {
      let rest = ''
      socket.setEncoding('utf8').on('data', (data: string) => {
        const lines = (rest + data).split('\n')
        rest = lines.pop() ?? ''
        if ([...lines, rest].some(({ length }) => length > longestMessage)) return socket.destroy()
        for (const line of lines.filter((each) => each.trim() !== '')) {
          try {
            transport.onmessage?.(JSON.parse(line))
          } catch {
            socket.destroy()
          }
        }
      })
      socket.on('close', () => transport.onclose?.())
    },
    send: async (message) => {
      socket.write(`${JSON.stringify(message)}\n`)
    },
    close: async () => {
      socket.destroy()
    },
  }
  return transport
}
