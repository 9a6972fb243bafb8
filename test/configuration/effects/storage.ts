/** Which store the jobs are in, and where it is. */
import { once } from 'node:events'
import { freePort, type TestRedis, testDatabase, testRedis } from '@tutti/stores/testing'
import { expect, onTestFinished } from 'vitest'
import { errand } from '../blueprints.ts'
import { certificate, create, createAndRestart } from '../jobs.ts'
import { serve, start } from '../server.ts'
import { shared } from '../shared.ts'
import type { Effects } from './effects.ts'

export const storage: Effects = {
  STORAGE: async () => {
    const { connectionString, drop } = await testDatabase()
    onTestFinished(drop)
    const job = await createAndRestart({ STORAGE: 'memory', DATABASE_URL: connectionString })
    expect(job.status).toBe(404)
  },

  DATABASE_URL: async () => {
    const { connectionString, drop } = await testDatabase()
    onTestFinished(drop)
    const job = await createAndRestart({ STORAGE: '', DATABASE_URL: connectionString })
    expect(job.status).toBe(200)
  },

  REDIS_HOST: async () => {
    const { port } = await redis()
    const env = { STORAGE: '', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port), REDIS_PREFIX: 'of-host' }
    expect((await createAndRestart(env)).status).toBe(200)
    expect(await keysIn('of-host')).not.toEqual([])
    await expect(serve({ ...env, REDIS_HOST: '127.0.0.2' })).rejects.toThrow(/127\.0\.0\.2.*REDIS_HOST/)
  },

  REDIS_PORT: async () => {
    const port = await freePort()
    const refused = serve({ STORAGE: '', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port) })
    await expect(refused).rejects.toThrow(new RegExp(`127\\.0\\.0\\.1:${port} .*REDIS_PORT`))
    expect((await jobIn({ REDIS_PREFIX: 'of-port' })).status).toBe(202)
  },

  REDIS_URL: async () => {
    const { port } = await redis()
    const env = { STORAGE: '', REDIS_URL: `redis://127.0.0.1:${port}/4`, REDIS_PREFIX: 'of-url' }
    expect((await createAndRestart(env)).status).toBe(200)
    expect(await databases()).toContain('db4')
  },

  REDIS_DB: async () => {
    expect(await databases()).not.toContain('db7')
    await jobIn({ REDIS_DB: '7' })
    expect(await databases()).toContain('db7')
  },

  REDIS_PREFIX: async () => {
    await jobIn({ REDIS_PREFIX: 'ours' })
    const keys = await keysIn('ours')
    expect(keys).not.toEqual([])
    // Another installation in the same database does not see it.
    const { port } = await redis()
    const other = await serve({
      STORAGE: '',
      REDIS_HOST: '127.0.0.1',
      REDIS_PORT: String(port),
      REDIS_PREFIX: 'theirs',
    })
    expect((await other.get('/api/v1/jobs')).body.items).toEqual([])
    expect(await keysIn('ours')).toEqual(expect.arrayContaining(keys))
  },

  REDIS_USERNAME: async () => {
    await redis()
    const env = { REDIS_PREFIX: 'of-anna', REDIS_PASSWORD: 'of-anna' }
    expect((await jobIn({ ...env, REDIS_USERNAME: 'anna' })).status).toBe(202)
    await expect(jobIn({ ...env, REDIS_USERNAME: 'otto' })).rejects.toThrow(/WRONGPASS/)
  },

  REDIS_PASSWORD: async () => {
    const { port, command, stop } = await testRedis({ port: true })
    onTestFinished(stop)
    await command('CONFIG', 'SET', 'requirepass', 'of-everybody')
    const env = { STORAGE: '', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port) }
    await serve({ ...env, REDIS_PASSWORD: 'of-everybody' })
    await expect(serve(env)).rejects.toThrow(/NOAUTH|WRONGPASS/)
  },

  REDIS_TLS: async () => {
    const { cert, key } = certificate()
    const tlsPort = await freePort()
    const settings = {
      'tls-port': String(tlsPort),
      'tls-cert-file': cert,
      'tls-key-file': key,
      'tls-ca-cert-file': cert,
    }
    const { command, stop } = await testRedis({ settings: { ...settings, 'tls-auth-clients': 'no' } })
    onTestFinished(stop)
    const env = { STORAGE: '', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(tlsPort), LOG_LEVEL: 'ERROR' }
    // Whom the process trusts is said at its start.
    const port = await freePort()
    const child = await start(port, { ...env, REDIS_TLS: 'true', NODE_EXTRA_CA_CERTS: cert })
    expect(await command('EXISTS', '{tutti}')).toBe(1)
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
    // Nobody vouches for the certificate here: that is only found out by who speaks TLS.
    await expect(serve({ ...env, REDIS_TLS: 'true' })).rejects.toThrow(/self.signed/i)
  },

  REDIS_CLUSTER: async () => {
    const settings = { 'cluster-enabled': 'yes', 'cluster-config-file': 'nodes.conf' }
    const { port, command, stop } = await testRedis({ port: true, settings })
    onTestFinished(stop)
    await command('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    while (!String(await command('CLUSTER', 'INFO')).includes('cluster_state:ok'));
    const env = { STORAGE: '', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port), REDIS_CLUSTER: 'true' }
    expect((await createAndRestart(env)).status).toBe(200)
    await expect(jobIn({ REDIS_CLUSTER: 'true' })).rejects.toThrow(/REDIS_HOST/)
  },

  INSTANCE_ID: async () => {
    const { port, command } = await redis()
    const env = { STORAGE: '', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port), REDIS_PREFIX: 'of-instance' }
    const server = await serve({ ...env, INSTANCE_ID: 'the-left-one' }, { blueprints: [errand] })
    // Begun by the clock, and so handed out through the stream.
    const { job_id } = (await create(server, 'errand', { delay_seconds: 0.01 })).body
    const job = () => server.get(`/api/v1/jobs/${job_id}`)
    while ((await job()).body.status === 'scheduled' || (await job()).body.waiting_for?.kind !== 'task');
    const streams = (await keysIn('of-instance')).filter((key) => key.startsWith('{of-instance}:due '))
    const consumers = await Promise.all(streams.map((key) => command('XINFO', 'CONSUMERS', key, 'instances')))
    expect(JSON.stringify(consumers)).toContain('the-left-one')
  },
}

/** One for all of them: what they do differs by prefix and database. */
const redis = shared(
  async (): Promise<TestRedis> => {
    const server = await testRedis({ port: true })
    await server.command('ACL', 'SETUSER', 'anna', 'on', '>of-anna', '~*', '&*', '+@all')
    return server
  },
  (server) => server.stop(),
)

/** A server on the shared Redis, and a job made by it. */
const jobIn = async (env: Record<string, string>) => {
  const { port } = await redis()
  const server = await serve(
    { STORAGE: '', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port), ...env },
    { blueprints: [errand] },
  )
  return create(server, 'errand')
}

const keysIn = async (prefix: string): Promise<string[]> =>
  (await (await redis()).command('KEYS', `{${prefix}}*`)) as string[]

/** Those that hold a key, as INFO names them. */
const databases = async (): Promise<string> => String(await (await redis()).command('INFO', 'keyspace'))
