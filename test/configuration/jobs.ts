/** What callers and workers do with an orchestrator, in one line each. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import type { Blueprint } from '@tutti/engine'
import { onTestFinished } from 'vitest'
import { errand } from './blueprints.ts'
import { type Answer, file, type Server, serve, until } from './server.ts'

export const create = (server: Server, blueprint: string, more: object = {}): Promise<Answer> =>
  server.post('/api/v1/jobs', { blueprint, ...more })

export const ending = (server: Server, id: string): Promise<{ status: string }> =>
  until(async () => {
    const { body } = await server.get(`/api/v1/jobs/${id}`)
    return ['finished', 'failed', 'cancelled', 'quarantined', 'error'].includes(body.status) && body
  })

/** How a job of the blueprint ends. */
export const outcome = async (env: Record<string, string>, blueprint: Blueprint): Promise<string> => {
  const server = await serve(env, { blueprints: [blueprint] })
  const { job_id } = (await create(server, blueprint.name)).body
  return (await ending(server, job_id)).status
}

export const register = async (server: Server, token = 'secure-worker-token', more: object = {}): Promise<number> => {
  const worker = { worker_id: 'hand', supported_skills: ['run'], ...more }
  return (await server.post('/_worker/workers/register', worker, { 'x-worker-token': token })).status
}

/** Takes the next task, however long it is put off. */
export const take = async (server: Server, worker: object = {}): Promise<{ task_id: string; job_id: string }> => {
  await register(server, undefined, worker)
  return until(async () => {
    const { status, body } = await server.get('/_worker/workers/hand/tasks/next')
    return status === 200 && body
  })
}

export const fail = async (server: Server): Promise<void> =>
  answer(server, { status: 'failure', error: { code: 'TRANSIENT_ERROR', message: 'not now' } })

/** Takes a task and answers it. */
export const answer = async (server: Server, result: object): Promise<void> => {
  const { task_id, job_id } = await take(server)
  await server.post('/_worker/tasks/result', { job_id, task_id, worker_id: 'hand', duration_ms: 12, ...result })
}

/** What becomes of a job when the server is started anew. */
export const createAndRestart = async (env: Record<string, string>): Promise<Answer> => {
  const before = await serve(env, { blueprints: [errand] })
  const { job_id } = (await create(before, 'errand')).body
  await before.stop()
  return (await serve(env, { blueprints: [errand] })).get(`/api/v1/jobs/${job_id}`)
}

/** A certificate that signs itself, for 127.0.0.1. */
export const certificate = (): { cert: string; key: string } => {
  const folder = dirname(file('note', ''))
  const cert = join(folder, 'cert.pem')
  const key = join(folder, 'key.pem')
  const subject = ['-subj', '/CN=hand', '-addext', 'subjectAltName=IP:127.0.0.1']
  const made = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  execFileSync('openssl', ['req', ...made, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return { cert, key }
}

interface SecureCall {
  ca: string
  cert?: string
  key?: string
  path?: string
  body?: object
  headers?: Record<string, string>
}

export const secureStatus = async (
  port: number,
  { path = '/_public/status', body, headers = {}, ...files }: SecureCall,
): Promise<number> => {
  const pem = Object.fromEntries(Object.entries(files).map(([name, at]) => [name, readFileSync(at)]))
  const method = body ? 'POST' : 'GET'
  const call = request({ host: '127.0.0.1', port, path, method, headers, agent: false, ...pem })
  call.end(body && JSON.stringify(body))
  const [response] = await once(call, 'response')
  await text(response)
  return response.statusCode
}

/** A server that takes whatever it is sent: webhooks, traces. */
export const receiver = async (): Promise<{
  url: string
  received: { path: string; headers: IncomingMessage['headers']; body: Buffer }[]
}> => {
  const received: { path: string; headers: IncomingMessage['headers']; body: Buffer }[] = []
  const server = createHttpServer(async (incoming, answer) => {
    received.push({ path: incoming.url ?? '', headers: incoming.headers, body: await buffer(incoming) })
    answer.writeHead(200).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received }
}
