/** What is kept, where, and for how long: objects, files, history, jobs that are over. */

import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { createS3Objects } from '@tutti/objects'
import { type TestS3, testS3 } from '@tutti/objects/testing'
import { createMemoryStore } from '@tutti/stores'
import { freePort } from '@tutti/stores/testing'
import { expect, onTestFinished } from 'vitest'
import { errand, reader, round, writer } from '../blueprints.ts'
import { create, ending } from '../jobs.ts'
import { file, type Server, serve, until } from '../server.ts'
import { shared } from '../shared.ts'
import type { Effects } from './effects.ts'

export const kept: Effects = {
  S3_ENDPOINT_URL: async () => {
    const { env, keys } = await bucket()
    await uploaded(await serve(env, { blueprints: [errand] }))
    expect(await keys()).toEqual([expect.stringMatching(/^jobs\/.*\/note\.txt$/)])
    const port = await freePort()
    const refused = serve({ ...env, S3_ENDPOINT_URL: `http://127.0.0.1:${port}` })
    await expect(refused).rejects.toThrow(/S3_/)
  },

  S3_DEFAULT_BUCKET: async () => {
    const { env, name } = await bucket()
    expect(await uploaded(await serve(env, { blueprints: [errand] }))).toMatch(new RegExp(`^s3://${name}/jobs/`))
    const { S3_DEFAULT_BUCKET: _, ...unnamed } = env
    expect(await uploaded(await serve(unnamed, { blueprints: [errand] }))).toMatch(
      /^s3:\/\/avtomatika-payloads\/jobs\//,
    )
  },

  S3_ACCESS_KEY: async () => {
    const { env } = await bucket()
    await serve(env)
    await expect(serve({ ...env, S3_ACCESS_KEY: 'nobody' })).rejects.toThrow(/S3_/)
  },

  S3_SECRET_KEY: async () => {
    const { env } = await bucket()
    // Addresses for uploads are signed with it, and the storage tells by whom.
    const put = async (secret: Record<string, string>): Promise<number> => {
      const server = await serve({ ...env, ...secret }, { blueprints: [errand] })
      const { job_id } = (await create(server, 'errand')).body
      const { url } = (await server.get(`/api/v1/jobs/${job_id}/files/upload?filename=a`)).body
      return (await fetch(url, { method: 'PUT', body: 'x' })).status
    }
    expect([await put({}), await put({ S3_SECRET_KEY: 'wrong' })]).toEqual([200, 403])
  },

  S3_REGION: async () => {
    const { env } = await bucket()
    const addressIn = async (region: Record<string, string>): Promise<string> => {
      const server = await serve({ ...env, ...region }, { blueprints: [errand] })
      const { job_id } = (await create(server, 'errand')).body
      return decodeURIComponent((await server.get(`/api/v1/jobs/${job_id}/files/upload?filename=a`)).body.url)
    }
    const { S3_REGION: _, ...rest } = env
    expect(await addressIn({ S3_REGION: 'eu-north-9' })).toContain('/eu-north-9/s3/aws4_request')
    expect(rest.S3_ENDPOINT_URL).toBeDefined()
    expect(await addressIn({ S3_REGION: '' })).toContain('/us-east-1/s3/aws4_request')
  },

  S3_MAX_CONCURRENCY: async () => {
    const { env } = await bucket()
    const most = async (limit: Record<string, string>, together: number): Promise<number> => {
      const proxy = await counting(env.S3_ENDPOINT_URL ?? '', together)
      const server = await serve({ ...env, S3_ENDPOINT_URL: proxy.url, ...limit }, { blueprints: [errand] })
      const { job_id } = (await create(server, 'errand')).body
      const puts = [1, 2, 3, 4].map((n) => server.send('PUT', `/api/v1/jobs/${job_id}/files/content/${n}`, 'x'))
      for (const put of await Promise.all(puts)) expect(put.status).toBe(200)
      return proxy.most()
    }
    // Four that wait for one another would never get through with fewer connections.
    expect(await most({}, 4)).toBe(4)
    expect(await most({ S3_MAX_CONCURRENCY: '2' }, 2)).toBe(2)
  },

  S3_AUTO_CLEANUP: async () => {
    const left = async (cleanup: Record<string, string>): Promise<string[]> => {
      const { env, keys } = await bucket()
      const clock = movable()
      const parts = { blueprints: [errand], store: clock.store }
      const before = await serve({ ...env, ...cleanup }, parts)
      const id = jobIn(await uploaded(before))
      await before.post(`/api/v1/jobs/${id}/cancel`)
      await before.stop()
      clock.advance(2 * oneDay)
      const after = await serve({ ...env, ...cleanup }, parts)
      // The sweep at the start: it has been there when the next thing is, too.
      if (Object.keys(cleanup).length === 0) await until(async () => (await keys()).length === 0)
      else await after.get(`/api/v1/jobs/${id}/files`)
      await after.stop()
      return keys()
    }
    expect(await left({})).toEqual([])
    expect(await left({ S3_AUTO_CLEANUP: 'false' })).toHaveLength(1)
  },

  S3_SHARED_PREFIXES: async () => {
    const { env, name, put } = await bucket()
    const read = async (shared: Record<string, string>): Promise<string> => {
      const server = await serve({ ...env, ...shared }, { blueprints: [reader] })
      await put('datasets/words.txt', 'words')
      const input = { uri: `s3://${name}/datasets/words.txt` }
      return (await ending(server, (await create(server, 'reader', { input })).body.job_id)).status
    }
    expect([await read({ S3_SHARED_PREFIXES: 'datasets/' }), await read({})]).toEqual(['finished', 'failed'])
  },

  PAYLOAD_OFFLOAD_BYTES: async () => {
    const stored = async (bytes: string): Promise<number> => {
      const { env, keys } = await bucket()
      const server = await serve({ ...env, PAYLOAD_OFFLOAD_BYTES: bytes }, { blueprints: [errand] })
      const input = { text: 'word '.repeat(1000) }
      const { job_id } = (await create(server, 'errand', { input })).body
      // Nobody who asks sees where it lies.
      expect((await server.get(`/api/v1/jobs/${job_id}`)).body.input).toEqual(input)
      return (await keys()).length
    }
    expect(await stored('1000')).toBeGreaterThan(0)
    expect([await stored('100000'), await stored('0')]).toEqual([0, 0])
  },

  TASK_FILES_DIR: async () => {
    const folder = join(dirname(file('note', '')), 'files')
    const server = await serve({ TASK_FILES_DIR: folder }, { blueprints: [writer, errand] })
    const { job_id } = (await create(server, 'writer')).body
    await ending(server, job_id)
    expect(readdirSync(join(folder, job_id))).toEqual(['note.txt'])
    // Without S3 what clients bring lies there, too.
    const id = jobIn(await uploaded(server))
    const lying = readdirSync(join(folder, '.objects'), { recursive: true }).map(String)
    expect(lying.filter((path) => path.includes(id) && path.includes('note.txt'))).toHaveLength(1)
  },

  HISTORY_DATABASE_URI: async () => {
    expect((await (await serve({})).get('/api/v1/history')).status).toBe(501)
    const path = join(dirname(file('note', '')), 'archive', 'history.db')
    const server = await serve({ HISTORY_DATABASE_URI: `sqlite://${path}` }, { blueprints: [round(2)] })
    const { job_id } = (await create(server, 'round')).body
    await until(async () => (await server.get(`/api/v1/history?job_id=${job_id}`)).body.items.length > 0)
    expect(existsSync(path)).toBe(true)
  },

  HISTORY_RETENTION_DAYS: async () => {
    const linesAfter = async (days: number, env: Record<string, string>): Promise<number> => {
      const HISTORY_DATABASE_URI = `sqlite://${file('history.db', '')}`
      const clock = movable()
      const parts = { blueprints: [round(2)], store: clock.store }
      const before = await serve({ HISTORY_DATABASE_URI }, parts)
      const { job_id } = (await create(before, 'round')).body
      await ending(before, job_id)
      await before.stop()
      clock.advance(days * oneDay)
      const after = await serve({ HISTORY_DATABASE_URI, ...env }, parts)
      // What is purged at the start is gone when it has stopped.
      await after.stop()
      const later = await serve({ HISTORY_DATABASE_URI }, parts)
      return (await later.get(`/api/v1/history?job_id=${job_id}`)).body.items.length
    }
    expect(await linesAfter(3, { HISTORY_RETENTION_DAYS: '2' })).toBe(0)
    expect(await linesAfter(1, { HISTORY_RETENTION_DAYS: '2' })).toBeGreaterThan(0)
    expect(await linesAfter(3, {})).toBeGreaterThan(0)
  },

  JOB_RETENTION_DAYS: async () => {
    const statusAfter = async (days: number, env: Record<string, string>): Promise<number> => {
      const clock = movable()
      const parts = { blueprints: [round(2)], store: clock.store }
      const before = await serve({}, parts)
      const { job_id } = (await create(before, 'round')).body
      await ending(before, job_id)
      await before.stop()
      clock.advance(days * oneDay)
      const purged = clock.purged()
      const after = await serve({ WATCHER_INTERVAL_SECONDS: '0.05', ...env }, parts)
      await purged
      return (await after.get(`/api/v1/jobs/${job_id}`)).status
    }
    expect(await statusAfter(3, { JOB_RETENTION_DAYS: '2' })).toBe(404)
    expect(await statusAfter(1, { JOB_RETENTION_DAYS: '2' })).toBe(200)
    expect(await statusAfter(3, {})).toBe(200)
  },
}

const oneDay = 86_400_000

const s3 = shared(testS3, (server: TestS3) => server.close())

/** A bucket of its own, what a server must be told of it, and what lies in it. */
const bucket = async () => {
  const { options } = await s3()
  const name = `tutti-test-${crypto.randomUUID()}`
  const objects = createS3Objects({ ...options, bucket: name })
  onTestFinished(() => objects.close())
  const env: Record<string, string> = {
    S3_ENDPOINT_URL: options.endpoint,
    S3_ACCESS_KEY: options.accessKey,
    S3_SECRET_KEY: options.secretKey,
    S3_REGION: options.region,
    S3_DEFAULT_BUCKET: name,
    TASK_FILES_DIR: dirname(file('note', '')),
  }
  const keys = async (): Promise<string[]> => (await objects.list('', null, 100)).objects.map(({ key }) => key)
  const put = (key: string, text: string): Promise<unknown> => objects.put(key, Buffer.from(text))
  return { env, name, keys, put }
}

/** Makes a job and brings it a file. @returns the address of that */
const uploaded = async (server: Server): Promise<string> => {
  const { job_id } = (await create(server, 'errand')).body
  const { status, body } = await server.send('PUT', `/api/v1/jobs/${job_id}/files/content/note.txt`, 'brought')
  expect(status).toBe(200)
  return body.s3_uri
}

const jobIn = (uri: string): string => /jobs\/([^/]+)\//.exec(uri)?.[1] ?? ''

/** A store whose clock can be put forward. */
const movable = () => {
  let ahead = 0
  const store = createMemoryStore({ now: () => Date.now() + ahead })
  let tell = (): void => {}
  return {
    store: {
      ...store,
      purge: async (request: Parameters<typeof store.purge>[0]) => {
        const ids = await store.purge(request)
        tell()
        return ids
      },
    },
    advance: (ms: number) => {
      ahead += ms
    },
    /** The next time that somebody clears up. */
    purged: () =>
      new Promise<void>((resolve) => {
        tell = resolve
      }),
  }
}

/** Stands before the storage and holds back uploads until so many are there at once, or no more come for a while. */
const counting = async (target: string, together: number): Promise<{ url: string; most: () => number }> => {
  let inside = 0
  let most = 0
  const { promise: met, resolve: free } = Promise.withResolvers<void>()
  const proxy = createServer(async (incoming, answer) => {
    const isUpload = incoming.method === 'PUT' && (incoming.url ?? '').includes('/jobs/')
    if (isUpload) {
      inside += 1
      most = Math.max(most, inside)
      if (inside >= together) free()
      await met
    }
    const { hostname, port } = new URL(target)
    const forwarded = request(
      { hostname, port, method: incoming.method, path: incoming.url, headers: incoming.headers },
      (reply) => {
        if (isUpload) inside -= 1
        answer.writeHead(reply.statusCode ?? 500, reply.headers)
        reply.pipe(answer)
      },
    )
    incoming.pipe(forwarded)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  onTestFinished(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, most: () => most }
}
