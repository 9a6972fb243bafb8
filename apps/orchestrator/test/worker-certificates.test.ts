/** Workers that are known by their client certificate. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { globalWorkerToken, startServer } from './support/server.ts'

const run = promisify(execFile)
let folder = ''

interface Pair {
  key: string
  cert: string
}
const pairs = new Map<string, Pair>()

/** A certificate by openssl, as an operator would make it. */
const make = async (file: string, name: string, by: string | null): Promise<void> => {
  const [key, cert] = [join(folder, `${file}.key`), join(folder, `${file}.pem`)]
  const subject = [
    '-subj',
    `/CN=${name}`,
    '-days',
    '1',
    '-nodes',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
  ]
  const names = join(folder, `${file}.ext`)
  await writeFile(names, 'subjectAltName=IP:127.0.0.1\n')
  if (by === null) await run('openssl', ['req', '-x509', ...subject, '-keyout', key, '-out', cert])
  else {
    const wish = join(folder, `${file}.csr`)
    const asked = subject.filter((each, at) => each !== '-days' && subject[at - 1] !== '-days')
    await run('openssl', ['req', ...asked, '-keyout', key, '-out', wish])
    const issuer = ['-CA', join(folder, `${by}.pem`), '-CAkey', join(folder, `${by}.key`), '-CAcreateserial']
    await run('openssl', ['x509', '-req', '-in', wish, '-days', '1', ...issuer, '-extfile', names, '-out', cert])
  }
  pairs.set(file, { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') })
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certificates-'))
  await make('ca', 'the authority', null)
  await make('stranger-ca', 'another authority', null)
  await make('server', '127.0.0.1', 'ca')
  await make('worker', 'gpu-1', 'ca')
  await make('odd-name', 'no worker id', 'ca')
  await make('forged', 'gpu-1', 'stranger-ca')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const pairOf = (name: string): Pair => pairs.get(name) ?? { key: '', cert: '' }

const start = (workerAuthMode: 'mixed' | 'mtls-only' | 'token-only', requireClientCert = false) =>
  startServer({
    settings: { workerAuthMode },
    parts: {
      tls: {
        cert: Buffer.from(pairOf('server').cert),
        key: Buffer.from(pairOf('server').key),
        ca: Buffer.from(pairOf('ca').cert),
        requireClientCert,
      },
    },
  })

const register = async (url: string, worker_id: string, as: { pair?: string; token?: string }): Promise<number> => {
  const sent = request(`${url}/_worker/workers/register`, {
    method: 'POST',
    ca: pairOf('ca').cert,
    agent: false,
    ...(as.pair === undefined ? {} : pairOf(as.pair)),
    headers: { 'content-type': 'application/json', ...(as.token === undefined ? {} : { 'x-worker-token': as.token }) },
  })
  sent.end(JSON.stringify({ worker_id, supported_skills: ['a'] }))
  return new Promise((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response) => {
      void text(response).then(() => resolve(response.statusCode ?? 0))
    })
  })
}

test('mixed: a certificate says who comes, and nobody else', async () => {
  const { url } = await start('mixed')
  expect(await register(url, 'gpu-1', { pair: 'worker' })).toBe(200)
  // Not even with a token that would be good for that id.
  expect(await register(url, 'gpu-2', { pair: 'worker', token: globalWorkerToken })).toBe(403)
  expect(await register(url, 'gpu-2', { token: globalWorkerToken })).toBe(200)
  expect(await register(url, 'gpu-1', {})).toBe(401)
})

test('forged-certificate: one that the authority did not sign proves nothing', async () => {
  const { url } = await start('mixed')
  expect(await register(url, 'gpu-1', { pair: 'forged' })).toBe(401)
  expect(await register(url, 'gpu-1', { pair: 'forged', token: globalWorkerToken })).toBe(200)
  expect(await register(url, 'gpu-1', { pair: 'odd-name' })).toBe(401)
})

test('mtls-only: tokens open nothing', async () => {
  const { url } = await start('mtls-only')
  expect(await register(url, 'gpu-1', { pair: 'worker' })).toBe(200)
  expect(await register(url, 'gpu-2', { token: globalWorkerToken })).toBe(401)
  expect(await register(url, 'gpu-1', { pair: 'forged', token: globalWorkerToken })).toBe(401)
})

test('token-only: certificates say nothing', async () => {
  const { url } = await start('token-only')
  expect(await register(url, 'gpu-1', { pair: 'worker' })).toBe(401)
  expect(await register(url, 'gpu-2', { pair: 'worker', token: globalWorkerToken })).toBe(200)
})

test('required certificates are asked for before anything is read', async () => {
  const { url } = await start('mixed', true)
  expect(await register(url, 'gpu-1', { pair: 'worker' })).toBe(200)
  await expect(register(url, 'gpu-2', { token: globalWorkerToken })).rejects.toThrow()
  await expect(register(url, 'gpu-1', { pair: 'forged' })).rejects.toThrow()
})
