/** What an agent does while nobody watches, told to a receiver of one's own: by the stack as it is started, over real connections. */
import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { run } from './support/processes.ts'
import { freshDatabase, scratch } from './support/scratch.ts'
import { up } from './support/stack.ts'

interface Received {
  headers: NodeJS.Dict<string | string[]>
  body: string
}

const receiver = async (): Promise<{ url: string; received: Received[] }> => {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    received.push({ headers: request.headers, body: await text(request) })
    response.writeHead(204).end()
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, received }
}

test('an agent’s question reaches the operator’s receiver, signed, with a link that answers it; and so does its end', async () => {
  const folder = await scratch()
  const { url, received } = await receiver()
  const stack = await up(join(folder, 'data'), [], {
    ...{ DATABASE_URL: await freshDatabase(), BACKEND_PUBLIC_URL: 'https://agents.example.org' },
    ...{ WEBHOOK_URL: url, WEBHOOK_ALLOW_PRIVATE: 'true' },
  })
  const command = 'echo made > made.txt'
  const steps = [{ tool: 'Bash', input: { command } }, { say: 'It is made.' }]
  const prompt = `\`\`\`scripted\n${JSON.stringify(steps)}\n\`\`\``
  const sent = await run(['run', prompt, '--mode', 'default'], { TUTTI_DATA_DIR: join(folder, 'data') })
  // Nobody is at the terminal to answer.
  expect(sent.code).toBe(4)
  const told = (event: string): Promise<Received> =>
    vi.waitUntil(() => received.find(({ body }) => JSON.parse(body).event === event), { timeout: 60_000 })

  const asked = await told('agent_asked')
  const headers = { 'x-client-token': stack.clientToken }
  const answer = await fetch(`${stack.apiUrl}/api/v1/webhooks/secret`, { headers })
  const { secrets } = (await answer.json()) as { secrets: [string] }
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = asked.headers
  const key = Buffer.from(secrets[0].replace('whsec_', ''), 'base64')
  expect(signature).toBe(`v1,${createHmac('sha256', key).update(`${id}.${at}.${asked.body}`).digest('base64')}`)

  const { requests, session_id } = JSON.parse(asked.body)
  expect(requests).toMatchObject([{ kind: 'permission', tool_name: 'Bash', tool_input: { command } }])
  const link = new URL(requests[0].url)
  expect(link.origin).toBe('https://agents.example.org')
  const page = await fetch(stack.backendUrl + link.pathname)
  expect(await page.text()).toContain('echo made')
  const decided = await fetch(stack.backendUrl + link.pathname, {
    ...{ method: 'POST', body: new URLSearchParams({ decision: 'allow' }) },
  })
  expect(decided.status).toBe(200)

  const ended = JSON.parse((await told('job_finished')).body)
  expect(ended).toMatchObject({ status: 'finished', metadata: { session_id }, result: { text: 'It is made.' } })
  stack.kill('SIGTERM')
  expect((await stack.ended).code).toBe(0)
})
