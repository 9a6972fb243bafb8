/** A small agent of the Agent Client Protocol: it does what its prompt says, line by line, and remembers its sessions in a file. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { Readable, Writable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import * as acp from '@agentclientprotocol/sdk'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'

const memory = 'acp-memory.json'
const remembered = (): string[] => (existsSync(memory) ? JSON.parse(readFileSync(memory, 'utf8')) : [])
const cancelled = new AbortController()
let servers: acp.McpServer[] = []

/** Calls a tool of an MCP server as an agent does: started by itself, over its standard streams. */
const callTool = async (name: string, tool: string, input: string): Promise<string> => {
  const server = servers.find((each) => each.name === name)
  if (server === undefined || !('command' in server)) return `no server ${name}`
  const { command, args, env } = server
  const transport = new StdioClientTransport({
    ...{ command, args, env: Object.fromEntries(env.map(({ name, value }) => [name, value])) },
  })
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(transport)
  try {
    const { tools } = await client.listTools()
    const { content, isError } = await client.callTool({ name: tool, arguments: JSON.parse(input) })
    return JSON.stringify({ tools: tools.map((each) => each.name), content, isError: isError === true })
  } finally {
    await client.close()
  }
}

acp
  .agent({ name: 'test' })
  .onRequest(acp.methods.agent.initialize, () => ({
    protocolVersion: acp.PROTOCOL_VERSION,
    agentCapabilities: { loadSession: true },
  }))
  .onRequest(acp.methods.agent.session.new, ({ params }) => {
    servers = params.mcpServers
    return { sessionId: 'session-1' }
  })
  .onRequest(acp.methods.agent.session.load, async ({ params, client }) => {
    servers = params.mcpServers
    for (const text of remembered()) {
      const update = { sessionUpdate: 'agent_message_chunk' as const, content: { type: 'text' as const, text } }
      await client.notify(acp.methods.client.session.update, { sessionId: params.sessionId, update })
    }
    return {}
  })
  .onNotification(acp.methods.agent.session.cancel, () => cancelled.abort())
  .onRequest(acp.methods.agent.session.prompt, async ({ params, client }) => {
    const { sessionId } = params
    const tell = (update: acp.SessionUpdate) => client.notify(acp.methods.client.session.update, { sessionId, update })
    const say = (text: string) => tell({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } })
    const lines = params.prompt.flatMap((block) => (block.type === 'text' ? block.text.split('\n') : []))
    for (const [index, line] of lines.entries()) {
      const [verb = '', ...rest] = line.split(' ')
      const words = rest.join(' ')
      if (verb === 'say') await say(words)
      if (verb === 'think') await tell({ sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: words } })
      if (verb === 'plan')
        await tell({ sessionUpdate: 'plan', entries: [{ content: words, priority: 'high', status: 'in_progress' }] })
      if (verb === 'recall') await say(remembered().join(';'))
      if (verb === 'model') await say(`${process.env.ANTHROPIC_MODEL} at ${process.env.ANTHROPIC_BASE_URL}`)
      if (verb === 'write') {
        const [path = '', content = ''] = rest
        const toolCallId = `call-${index}`
        const call = { toolCallId, title: 'write', kind: 'edit' as const, rawInput: { path } }
        await tell({ sessionUpdate: 'tool_call', ...call, status: 'pending' })
        const { outcome } = await client.request<acp.RequestPermissionResponse>(
          acp.methods.client.session.requestPermission,
          {
            sessionId,
            toolCall: call,
            options: [
              { optionId: 'yes', name: 'Yes', kind: 'allow_once' },
              { optionId: 'no', name: 'No', kind: 'reject_once' },
            ],
          },
        )
        let fault = outcome.outcome === 'selected' && outcome.optionId === 'yes' ? '' : 'refused'
        if (fault === '')
          await client
            .request(acp.methods.client.fs.writeTextFile, { sessionId, path, content })
            .catch((error: unknown) => {
              fault = String(error)
            })
        await tell({
          ...{ sessionUpdate: 'tool_call_update', toolCallId, status: fault === '' ? 'completed' : 'failed' },
          rawOutput: fault === '' ? 'written' : fault,
        })
      }
      if (verb === 'wait') {
        await say('waiting')
        await setTimeout(300_000, undefined, { signal: cancelled.signal }).catch(() => undefined)
        if (words !== 'stubbornly') return { stopReason: 'cancelled' }
        spawn('sleep', ['300'])
        await setTimeout(300_000)
      }
      if (verb === 'call') {
        const [server = '', tool = '', ...input] = rest
        await say(await callTool(server, tool, input.join(' ')))
      }
      if (verb === 'pause') await setTimeout(Number(words))
      if (verb === 'crash') process.exit(7)
      if (verb === 'stop') return { stopReason: words as acp.StopReason }
    }
    writeFileSync(memory, JSON.stringify([...remembered(), lines.join(' ')]))
    return { stopReason: 'end_turn' }
  })
  .connect(
    acp.ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>),
  )
