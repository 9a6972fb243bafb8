/** Where files lie, and what the addresses look like under which browsers get them. */
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createS3Objects } from '@tutti/objects'
import { type TestS3, testS3 } from '@tutti/objects/testing'
import { expect, onTestFinished } from 'vitest'
import type { Effects } from '../effects/effects.ts'
import { folder } from '../server.ts'
import { shared } from '../shared.ts'
import { serveBackend, type WorkbenchServer } from './serve.ts'

const s3 = shared(testS3, (server: TestS3) => server.close())

export const files: Effects = {
  OBJECTS_DIR: async () => {
    const [OBJECTS_DIR, other] = [folder(), folder()]
    const url = await addressOfFile(await serveBackend({ OBJECTS_DIR }))
    const read = async (env: Record<string, string>): Promise<number> => {
      const { port } = await serveBackend(env)
      return (await fetch(`http://127.0.0.1:${port}${url.pathname}${url.search}`)).status
    }
    expect([await read({ OBJECTS_DIR }), await read({ OBJECTS_DIR: other })]).toEqual([200, 404])
  },

  ...Object.fromEntries(
    ['S3_ENDPOINT', 'S3_BUCKET'].map((name) => [
      name,
      async () => {
        const { env } = await bucket()
        const OBJECTS_DIR = folder()
        const server = await serveBackend({ ...env, OBJECTS_DIR })
        const url = await addressOfFile(server)
        // The storage itself answers: no byte of a file passes through the backend.
        expect([url.origin, url.pathname.split('/')[1]]).toEqual([env.S3_ENDPOINT, env.S3_BUCKET])
        expect(await (await fetch(url)).text()).toBe('kept')
        expect(readdirSync(OBJECTS_DIR)).toEqual([])
        await expect(serveBackend({ ...env, [name]: '' })).rejects.toThrow(new RegExp(`${name} is missing`))
      },
    ]),
  ),

  ...Object.fromEntries(
    ['S3_ACCESS_KEY', 'S3_SECRET_KEY'].map((name) => [
      name,
      async () => {
        const { env } = await bucket()
        const used = async (key: Record<string, string>): Promise<number> =>
          (await fetch(await addressOfFile(await serveBackend({ ...env, ...key })))).status
        expect(await used({})).toBe(200)
        // A wrong one is told at the start; the test’s server checks the secret in addresses only.
        if (name === 'S3_SECRET_KEY') expect(await used({ [name]: 'another' })).toBe(403)
        else await expect(serveBackend({ ...env, [name]: 'another' })).rejects.toThrow(/S3_ENDPOINT|denies access/)
        await expect(serveBackend({ ...env, [name]: '' })).rejects.toThrow(new RegExp(`${name} is missing`))
      },
    ]),
  ),

  S3_KEY_PREFIX: async () => {
    const { env, objects } = await bucket()
    const server = await serveBackend({ ...env, S3_KEY_PREFIX: 'team-a/tutti' })
    const url = await addressOfFile(server)
    expect((await objects.list('team-a/tutti/attachments/')).objects).toHaveLength(1)
    expect(await (await fetch(url)).text()).toBe('kept')
  },

  S3_PUBLIC_ENDPOINT: async () => {
    const { env } = await bucket()
    const door = await forwarding(env.S3_ENDPOINT ?? '')
    const server = await serveBackend({ ...env, S3_PUBLIC_ENDPOINT: `${door}/` })
    const url = await addressOfFile(server)
    expect(url.origin).toBe(door)
    expect(await (await fetch(url)).text()).toBe('kept')
    // It is signed for that door: a signature holds for one host.
    expect((await fetch(env.S3_ENDPOINT + url.pathname + url.search)).status).toBe(403)
  },

  S3_REGION: async () => {
    const { env } = await bucket()
    const regionIn = async (S3_REGION: string): Promise<string> =>
      (await addressOfFile(await serveBackend({ ...env, S3_REGION }))).searchParams.get('X-Amz-Credential') ?? ''
    expect(await regionIn('auto')).toContain('/auto/s3/aws4_request')
    expect(await regionIn('')).toContain('/us-east-1/s3/aws4_request')
  },

  S3_FORCE_PATH_STYLE: async () => {
    const { env } = await bucket()
    // In the host name of an IP address no bucket can stand, so the backend’s own requests succeed in both ways.
    const address = async (S3_FORCE_PATH_STYLE: string): Promise<URL> =>
      addressOfFile(await serveBackend({ ...env, S3_PUBLIC_ENDPOINT: 'https://s3.example.org', S3_FORCE_PATH_STYLE }))
    expect((await address('true')).host).toBe('s3.example.org')
    expect((await address('false')).host).toBe(`${env.S3_BUCKET}.s3.example.org`)
  },

  S3_PRESIGN_EXPIRES: async () => {
    const { env } = await bucket()
    const seconds = async (more: Record<string, string>): Promise<string | null> =>
      (await addressOfFile(await serveBackend({ ...env, ...more }))).searchParams.get('X-Amz-Expires')
    expect([await seconds({}), await seconds({ S3_PRESIGN_EXPIRES: '60' })]).toEqual(['300', '60'])
    // The addresses of a local folder obey it as well.
    const local = await addressOfFile(await serveBackend({ S3_PRESIGN_EXPIRES: '60' }))
    const left = Number(local.searchParams.get('expires')) - Date.now() / 1000
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(61)
  },

  ...Object.fromEntries(
    ['S3_READ_TIMEOUT_SECONDS', 'S3_MAX_ATTEMPTS'].map((name) => [
      name,
      async () => {
        const { env } = await bucket()
        const mute = await silent()
        const patience = { S3_ENDPOINT: mute.url, S3_READ_TIMEOUT_SECONDS: '0.2', S3_MAX_ATTEMPTS: '2' }
        await expect(serveBackend({ ...env, ...patience })).rejects.toThrow(/can’t be reached/)
        expect(mute.connections()).toBe(2)
        await expect(serveBackend({ ...env, ...patience, S3_MAX_ATTEMPTS: '1' })).rejects.toThrow()
        expect(mute.connections()).toBe(3)
      },
    ]),
  ),

  BACKEND_PUBLIC_URL: async () => {
    const url = await addressOfFile(await serveBackend({ BACKEND_PUBLIC_URL: 'https://tutti.example.org/' }))
    expect(url.href).toMatch(/^https:\/\/tutti\.example\.org\/api\/v1\/objects\//)
    expect((await addressOfFile(await serveBackend({ PORT: '0' }))).hostname).toBe('localhost')
  },
}

/** A message with a file, `kept`. @returns the address that a reader of the session is given for it */
const addressOfFile = async (server: WorkbenchServer): Promise<URL> => {
  const form = new FormData()
  form.append('file', new Blob(['kept']), 'a.txt')
  const address = `http://127.0.0.1:${server.port}/api/v1/attachments/upload`
  const { data: file } = (await (await fetch(address, { method: 'POST', body: form })).json()) as { data: unknown }
  const { body: sent } = await server.post('/api/v1/tasks', { prompt: 'hello', config: { input_files: [file] } })
  const { body } = await server.get(`/api/v1/sessions/${sent.data.session_id}/message-attachments`)
  return new URL(body.data[0].attachments[0].url)
}

/** A bucket of its own, what a backend must be told of it, and the way to it without the backend. */
const bucket = async () => {
  const { options } = await s3()
  const name = `tutti-test-${crypto.randomUUID()}`
  const objects = createS3Objects({ ...options, bucket: name })
  onTestFinished(() => objects.close())
  await objects.ensureBucket()
  const env: Record<string, string> = {
    S3_ENDPOINT: options.endpoint,
    S3_ACCESS_KEY: options.accessKey,
    S3_SECRET_KEY: options.secretKey,
    S3_REGION: options.region,
    S3_BUCKET: name,
  }
  return { env, objects }
}

/** Another door to the same server, as a reverse proxy is. */
const forwarding = async (target: string): Promise<string> => {
  const { hostname, port } = new URL(target)
  return listening((socket) => {
    const behind = connect(Number(port), hostname)
    behind.on('error', () => socket.destroy())
    socket.pipe(behind).pipe(socket)
  })
}

/** Takes connections, and says nothing. */
const silent = async (): Promise<{ url: string; connections: () => number }> => {
  let count = 0
  const url = await listening(() => {
    count += 1
  })
  return { url, connections: () => count }
}

const listening = async (onConnection: (socket: Socket) => void): Promise<string> => {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    onConnection(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
