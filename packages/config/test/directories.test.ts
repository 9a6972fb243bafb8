import { describe, expect, it } from 'vitest'
import {
  type Client,
  clientDirectory,
  hashToken,
  readWorkers,
  type WorkerEntry,
  workerDirectory,
} from '../src/index.ts'

const client = (id: string, token: string): Client => ({
  id,
  tokenHash: hashToken(token),
  plan: null,
  role: 'client',
  monthlyAttempts: null,
  rateLimit: null,
  webhookUrl: null,
  params: {},
})
const worker = (id: string, token: string, secret: string | null = null): WorkerEntry => ({
  id,
  tokenHash: hashToken(token),
  secret,
  description: '',
})

describe('clients', () => {
  it('are found by token, wherever they stand', () => {
    const directory = clientDirectory({ clients: [client('a', '1'), client('b', '2'), client('c', '3')] })
    expect(['1', '2', '3'].map((token) => directory.authenticate(token)?.id)).toEqual(['a', 'b', 'c'])
  })

  it.each([undefined, null, '', 'other', hashToken('1')])('are not found by %s', (token) => {
    expect(clientDirectory({ clients: [client('a', '1')] }).authenticate(token)).toBeNull()
  })

  it('fall back to CLIENT_TOKEN without a file only', () => {
    expect(clientDirectory({ clients: null, fallbackToken: 'f' }).authenticate('f')).toMatchObject({
      id: 'default',
      role: 'operator',
    })
    expect(clientDirectory({ clients: [client('a', '1')], fallbackToken: 'f' }).authenticate('f')).toBeNull()
    expect(clientDirectory({ clients: [], fallbackToken: 'f' }).authenticate('f')).toBeNull()
  })

  it('can’t come in with an empty token when the fall-back is switched off', () => {
    expect(clientDirectory({ clients: null, fallbackToken: '' }).authenticate('')).toBeNull()
    expect(clientDirectory({ clients: [client('a', '')] }).authenticate('')).toBeNull()
  })

  it('are revoked when a file that was read again no longer has them', () => {
    const directory = clientDirectory({ clients: [client('a', '1')] })
    directory.replace([client('b', '2')])
    expect(directory.authenticate('1')).toBeNull()
    expect(directory.authenticate('2')?.id).toBe('b')
  })
})

describe('workers', () => {
  const directory = workerDirectory({ workers: [worker('gpu', 'g'), worker('cpu', 'c')], globalToken: 'all' })

  it.each([
    ['its own token', 'gpu', 'g', 'accepted'],
    ['the global token, without an entry', 'other', 'all', 'accepted'],
    ['the global token, in spite of an entry', 'gpu', 'all', 'mismatch'],
    ['the token of another worker', 'gpu', 'c', 'mismatch'],
    ['a token of its own under a foreign id', 'other', 'g', 'mismatch'],
    ['an unknown token', 'gpu', 'x', 'refused'],
    ['no token', 'other', '', 'refused'],
  ] as const)('with %s', (_name, id, token, verdict) => {
    expect(directory.authenticate(id, token)).toBe(verdict)
  })

  it('without an entry are refused when the global token is switched off', () => {
    expect(workerDirectory({ workers: null, globalToken: '' }).authenticate('a', '')).toBe('refused')
    expect(workerDirectory({ workers: null }).authenticate('a', 'secure-worker-token')).toBe('refused')
  })

  it('are revoked by a reload', () => {
    const reloaded = workerDirectory({ workers: [worker('gpu', 'g')] })
    reloaded.replace([worker('gpu', 'new')])
    expect(reloaded.authenticate('gpu', 'g')).toBe('refused')
    expect(reloaded.authenticate('gpu', 'new')).toBe('accepted')
  })
})

describe('patterns of worker ids', () => {
  const directory = workerDirectory({
    workers: [worker('gpu-*', 'g'), worker('pattern:gpu-big-?', 'b'), worker('gpu-big-7', '7'), worker('a.b-*', 'd')],
    globalToken: 'all',
  })

  it.each([
    ['a pattern', 'gpu-1', 'g', 'accepted'],
    ['the longest pattern first', 'gpu-big-1', 'b', 'accepted'],
    ['no shorter pattern where a longer one fits', 'gpu-big-1', 'g', 'mismatch'],
    ['one character for ?', 'gpu-big-12', 'b', 'mismatch'],
    ['the exact id before every pattern', 'gpu-big-7', '7', 'accepted'],
    ['no pattern beside the exact id', 'gpu-big-7', 'b', 'mismatch'],
    ['no global token where a pattern fits', 'gpu-1', 'all', 'mismatch'],
    ['the global token elsewhere', 'cpu-1', 'all', 'accepted'],
    ['a point that is a point', 'a.b-1', 'd', 'accepted'],
    ['a point that is nothing else', 'aXb-1', 'd', 'mismatch'],
  ] as const)('%s', (_name, id, token, verdict) => {
    expect(directory.authenticate(id, token)).toBe(verdict)
  })

  it('leave the empty id alone, with which the global token is recognised', () => {
    const open = workerDirectory({ workers: [worker('*', 'a')], globalToken: 'all' })
    expect(open.authenticate('', 'all')).toBe('accepted')
    expect(open.authenticate('', 'a')).toBe('mismatch')
  })
})

describe('whether a token is still the present one', () => {
  it('is told by its hash: of one’s own entry, else of the global token', () => {
    const directory = workerDirectory({ workers: [worker('gpu', 'g')], globalToken: 'all' })
    const current = (id: string, token: string): boolean => directory.isCurrent(id, hashToken(token))
    expect([current('gpu', 'g'), current('gpu', 'all'), current('cpu', 'all'), current('cpu', 'g')]).toEqual([
      true,
      false,
      true,
      false,
    ])
    directory.replace([worker('gpu', 'another')])
    expect(current('gpu', 'g')).toBe(false)
    expect(workerDirectory({ workers: null }).isCurrent('cpu', hashToken('all'))).toBe(false)
  })
})

describe('what workers sign with', () => {
  it('is not known unless it is asked for', () => {
    const directory = workerDirectory({ workers: [worker('gpu', 'g')], globalToken: 'all' })
    expect([directory.secretOf('gpu'), directory.secretOf('other')]).toEqual([null, null])
    expect(readWorkers({ text: '[a]\ntoken = "find-me"\n', name: 'w' }).workers?.[0]?.secret).toBeNull()
  })

  it('is the token that the worker is let in with, its own or the global one', () => {
    const text = `[a]\ntoken = "own"\n["b-*"]\ntoken_sha256 = "${hashToken('hashed')}"\n`
    const { workers = [] } = readWorkers({ text, name: 'w' }, { keepSecrets: true })
    const directory = workerDirectory({ workers, globalToken: 'all', keepSecrets: true })
    expect(['a', 'b-1', 'c'].map((id) => directory.secretOf(id))).toEqual(['own', null, 'all'])
    expect(directory.authenticate('b-1', 'hashed')).toBe('accepted')
    directory.replace([])
    expect(directory.secretOf('a')).toBe('all')
  })
})
