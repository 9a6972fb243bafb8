/** What a server is found with: keys of another layout or prefix, and settings that put data at risk. */
import type { Wakeup } from '@tutti/engine'
import { expect, test } from 'vitest'
import { aChange, accept, aJob, jobWith, lease } from '../src/conformance/subject.ts'
import { SchemaVersionError } from '../src/index.ts'
import { createRedisStore } from '../src/redis/redis-store.ts'
import { redisPerTest } from './redis-per-test.ts'

const stage = redisPerTest()
const { open, until, connections } = stage

test('keys of a newer layout are refused, and left as they are', async () => {
  await (await open()).close()
  stage.opened = []
  await stage.redis.command('HSET', '{tutti}', 'layout', '9999')
  const refused = createRedisStore({ server: stage.redis.address, instance: 'here' })
  await expect(refused).rejects.toThrow(SchemaVersionError)
  await expect(refused).rejects.toThrow(/9999/)
  expect(await stage.redis.command('HGET', '{tutti}', 'layout')).toBe('9999')
  // Nothing stays open that would keep the process alive.
  await until(async () => expect(await connections()).toBe(0))
})

test('a prefix that would break the hash tag is refused', async () => {
  for (const prefix of ['', 'a{b', 'a}b', 'a b']) await expect(open({ prefix })).rejects.toThrow(/prefix/)
})

test('two prefixes on one server know nothing of each other', async () => {
  const [one, other] = [await open(), await open({ prefix: 'other' })]
  const heard: Wakeup[] = []
  other.subscribe((news) => heard.push(news))
  const job = await jobWith(one, [{}])
  expect(await other.job([job.id])).toEqual([undefined])
  expect(await lease(other)).toEqual([])
  await jobWith(other, [])
  await until(() => expect(heard).toHaveLength(1))
})

test.each([
  ['snapshots only', { appendonly: 'no', save: '3600 1' }, [/since the last one/]],
  ['nothing at all', { appendonly: 'no', save: '' }, [/memory alone/]],
  ['a log that is never synced', { appendonly: 'yes', appendfsync: 'no' }, [/appendfsync no/]],
  ['a log synced every second', { appendonly: 'yes', appendfsync: 'everysec' }, []],
  ['a log synced always', { appendonly: 'yes', appendfsync: 'always' }, []],
  ['eviction', { 'maxmemory-policy': 'allkeys-lru', maxmemory: '100mb' }, [/noeviction/]],
  ['eviction without a limit yet', { 'maxmemory-policy': 'volatile-ttl' }, [/as soon as a limit .*noeviction/]],
  [
    'several at once',
    { appendonly: 'no', save: '', 'maxmemory-policy': 'allkeys-lru' },
    [/noeviction/, /memory alone/],
  ],
] as const)('the operator is told what a server with %s puts at risk', async (_, settings, expected) => {
  for (const [name, value] of Object.entries(settings)) await stage.redis.command('CONFIG', 'SET', name, value)
  const warnings: string[] = []
  await open({ onWarning: (text) => warnings.push(text) })
  expect(warnings).toHaveLength(expected.length)
  for (const [at, pattern] of expected.entries()) expect(warnings[at]).toMatch(pattern)
})

test('a server that keeps its settings to itself is used, with a warning', async () => {
  await stage.redis.command('ACL', 'SETUSER', 'default', '-config')
  const warnings: string[] = []
  const store = await open({ onWarning: (text) => warnings.push(text) })
  expect(warnings).toEqual([expect.stringMatching(/can't be known/)])
  await accept(store, aChange(aJob()))
})
