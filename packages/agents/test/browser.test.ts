/** A turn with a browser: the real Chromium, Playwright's MCP server and the real runtime, on a page of this test. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { browserExecutable } from '../src/index.ts'
import { scripted, turn, useClaude } from './support/claude.ts'

const timeout = 90_000
const stage = useClaude()

let server: Server
let page: string
beforeEach(async () => {
  server = createServer((_request, response) => {
    const html = '<title>Harbour</title><body style="background:#0a0"><h1>High tide at noon</h1>'
    response.writeHead(200, { 'content-type': 'text/html' }).end(html)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  page = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/`
})
afterEach(async () => {
  server.closeAllConnections()
  server.close()
})

it('looks at a page, and keeps a picture of it under the tool call', { timeout }, async () => {
  const executable = browserExecutable()
  if (executable === undefined) throw new Error('Chromium is not installed: apt-get install chromium')
  const kept: { id: string; png: Buffer }[] = []
  const browser = {
    ...{ executable, viewport: { width: 800, height: 600 } },
    store: async (_turn: unknown, id: string, png: Buffer) => {
      kept.push({ id, png })
      return `key/${id}`
    },
  }
  const steps = [
    { tool: 'mcp__browser__browser_navigate', input: { url: page } },
    { tool: 'mcp__browser__browser_snapshot', input: {} },
    { say_last_result: true },
  ]
  const asked = turn(scripted(steps), { browser: true, permission_mode: 'bypassPermissions' })
  const { events, last } = await stage.run(asked, { using: stage.runtime({ browser }) })
  expect(last).toMatchObject({ type: 'done', result: expect.stringContaining('High tide at noon') })
  const calls = events.flatMap((event) => (event.type === 'tool_call' ? [event.tool_use_id] : []))
  expect(events.filter(({ type }) => type === 'screenshot')).toEqual(
    calls.map((id) => ({ type: 'screenshot', tool_use_id: id, key: `key/${id}` })),
  )
  const [first] = kept
  expect(first?.png.subarray(1, 4).toString()).toBe('PNG')
  // Width and height, as the format has them.
  expect(first?.png.readUInt32BE(16)).toBe(800)
})

it('says that there is no browser, instead of a turn without one', { timeout }, async () => {
  const { last } = await stage.run(turn('hello', { browser: true }))
  expect(last).toMatchObject({ type: 'error', code: 'runtime_failed', message: expect.stringContaining('browser') })
  expect(stage.bodies).toEqual([])
})
