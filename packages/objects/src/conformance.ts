/**
 * What every object store must do. An adapter's test calls `objectStoreConformance` with a function that makes an empty
 * store; the suite runs under vitest.
 */
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkKey, compareKeys } from './keys.ts'
import type { ObjectStore } from './port.ts'

export interface StoreUnderTest {
  store: ObjectStore
  /** Sends a request to a presigned address, as a browser would. */
  request: (url: string, init?: PresignedRequest) => Promise<PresignedAnswer>
  /** Changes a byte of a stored object behind the store's back. */
  tamper: (key: string) => Promise<void>
  /** Bytes of the longest segment of a key, where the server under test is narrower than the port. */
  longestSegment?: number
  /** Bytes that a folder which the store adds takes from the 1024 of a key; an even number. */
  folderBytes?: number
  close: () => Promise<void>
}

export interface PresignedRequest {
  method?: string
  headers?: Record<string, string>
  body?: Uint8Array
}

export interface PresignedAnswer {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
  body: Uint8Array
}

export function objectStoreConformance(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`object store conformance: ${name}`, () => {
    let under: StoreUnderTest
    let store: ObjectStore
    beforeEach(async () => {
      under = await make()
      store = under.store
    })
    afterEach(() => under.close())

    const read = async (key: string, range?: { start: number; end?: number }) =>
      (await buffer((await store.get(key, range ? { range } : {})).stream)).toString()

    describe('put and get', () => {
      it('give back what was put, as text, bytes or stream', async () => {
        await store.put('text', 'Grüße')
        await store.put('bytes', Buffer.from('bytes'))
        await store.put('stream', Readable.from([Buffer.from('a'), 'b', Buffer.from('c')]))
        expect([await read('text'), await read('bytes'), await read('stream')]).toEqual(['Grüße', 'bytes', 'abc'])
      })

      it('report size and hash of the bytes', async () => {
        const sha256 = createHash('sha256').update('Grüße').digest('hex')
        expect(await store.put('k', 'Grüße')).toEqual({ key: 'k', size: 7, sha256 })
        expect(await store.head('k')).toMatchObject({ key: 'k', size: 7 })
      })

      it('keep the content type, or say octet-stream', async () => {
        await store.put('a', 'x', { contentType: 'text/html; charset=utf-8' })
        await store.put('b', 'x')
        expect((await store.head('a'))?.contentType).toBe('text/html; charset=utf-8')
        expect((await store.head('b'))?.contentType).toBe('application/octet-stream')
      })

      it('hold an empty object', async () => {
        expect(await store.put('empty', '')).toMatchObject({ size: 0 })
        expect(await read('empty')).toBe('')
        expect(await store.head('empty')).toMatchObject({ size: 0 })
      })

      it('hold an object of many chunks', async () => {
        const chunk = randomBytes(100_000)
        const body = Array.from({ length: 90 }, () => chunk)
        const { sha256, size } = await store.put('large', Readable.from(body))
        const hash = createHash('sha256')
        for await (const piece of (await store.get('large')).stream) hash.update(piece)
        expect([size, hash.digest('hex')]).toEqual([9_000_000, sha256])
      })

      it('replace a former object, its type and its tag', async () => {
        await store.put('k', 'a long first content', { contentType: 'text/plain' })
        const before = await store.head('k')
        await store.put('k', 'second')
        expect(await read('k')).toBe('second')
        const after = await store.head('k')
        expect(after).toMatchObject({ size: 6, contentType: 'application/octet-stream' })
        expect(after?.etag).not.toBe(before?.etag)
      })

      it('agree on the tag', async () => {
        await store.put('k', 'x')
        const content = await store.get('k')
        content.stream.destroy()
        expect(content.etag).toBe((await store.head('k'))?.etag)
      })

      it('finish a read that began before the object was replaced and deleted', async () => {
        await store.put('k', 'old')
        const { stream } = await store.get('k')
        await store.put('k', 'new')
        await store.delete('k')
        expect((await buffer(stream)).toString()).toBe('old')
      })
    })

    describe('integrity', () => {
      const sha256 = createHash('sha256').update('content').digest('hex')

      it('the hash is kept, and told before anything is read', async () => {
        await store.put('k', 'content')
        expect((await store.head('k'))?.sha256).toBe(sha256)
        const { stream, sha256: told } = await store.get('k')
        stream.destroy()
        expect(told).toBe(sha256)
      })

      it('the hash of a large stream is kept too, with its type', async () => {
        const body = Array.from({ length: 90 }, () => randomBytes(100_000))
        await store.put('large', Readable.from(body), { contentType: 'text/plain' })
        const hash = createHash('sha256').update(Buffer.concat(body)).digest('hex')
        expect(await store.head('large')).toMatchObject({ size: 9_000_000, sha256: hash, contentType: 'text/plain' })
      })

      it.each([7, 9_000_000])('a body of %i bytes that is not the one announced stores nothing', async (size) => {
        await store.put('k', 'former')
        const body = Readable.from(Array.from({ length: 10 }, () => Buffer.alloc(size / 10)))
        const code = { code: 'INTEGRITY_MISMATCH' }
        await expect(store.put('k', body, { sha256 })).rejects.toMatchObject(code)
        expect(await read('k')).toBe('former')
      })

      it('a body that is the one announced is stored', async () => {
        expect(await store.put('k', 'content', { sha256 })).toMatchObject({ sha256 })
      })

      it('a content that somebody changed is CORRUPT, never read as if it were whole', async () => {
        await store.put('k', 'content'.repeat(10_000))
        await under.tamper('k')
        const { stream } = await store.get('k')
        await expect(buffer(stream)).rejects.toMatchObject({ code: 'CORRUPT' })
      })
    })

    describe('deletePrefix', () => {
      it('deletes what begins so, and nothing else', async () => {
        for (const key of ['a/1', 'a/2', 'a/b/3', 'ab', 'b']) await store.put(key, 'x')
        expect(await store.deletePrefix('a/')).toBe(3)
        expect((await store.list('')).objects.map(({ key }) => key)).toEqual(['ab', 'b'])
        expect(await store.deletePrefix('a/')).toBe(0)
      })

      it('refuses prefixes that lead elsewhere', async () => {
        await expect(store.deletePrefix('../')).rejects.toMatchObject({ code: 'INVALID_KEY' })
      })
    })

    describe('a body that fails on the way', () => {
      async function* failing() {
        yield Buffer.alloc(70_000)
        throw new Error('the sender went away')
      }

      it('stores nothing', async () => {
        await expect(store.put('k', Readable.from(failing()))).rejects.toThrow('the sender went away')
        expect(await store.head('k')).toBeNull()
        expect((await store.list('')).objects).toEqual([])
      })

      it('leaves the former object', async () => {
        await store.put('k', 'former')
        await expect(store.put('k', Readable.from(failing()))).rejects.toThrow('the sender went away')
        expect(await read('k')).toBe('former')
      })
    })

    describe('ranges', () => {
      beforeEach(() => store.put('k', '0123456789'))

      it.each([
        [{ start: 0, end: 0 }, '0'],
        [{ start: 2, end: 4 }, '234'],
        [{ start: 7 }, '789'],
        [{ start: 7, end: 99 }, '789'],
        [{ start: 9 }, '9'],
      ])('%o', async (range, text) => {
        expect(await read('k', range)).toBe(text)
      })

      it('tell what they hold, and the size of the whole', async () => {
        const content = await store.get('k', { range: { start: 7, end: 99 } })
        content.stream.destroy()
        expect(content).toMatchObject({ size: 10, range: { start: 7, end: 9 } })
        const whole = await store.get('k')
        whole.stream.destroy()
        expect(whole.range).toBeNull()
      })

      it('that start behind the end are refused', async () => {
        await store.put('empty', '')
        const code = { code: 'RANGE_NOT_SATISFIABLE' }
        await expect(store.get('k', { range: { start: 10 } })).rejects.toMatchObject(code)
        await expect(store.get('empty', { range: { start: 0 } })).rejects.toMatchObject(code)
      })

      it('that are no ranges are refused', async () => {
        const code = { code: 'INVALID_OPTION' }
        await expect(store.get('k', { range: { start: 4, end: 2 } })).rejects.toMatchObject(code)
        await expect(store.get('k', { range: { start: -1 } })).rejects.toMatchObject(code)
      })
    })

    describe('what is not there', () => {
      it('is NOT_FOUND to get, null to head, and nothing to delete', async () => {
        await expect(store.get('no/such')).rejects.toMatchObject({ name: 'ObjectStoreError', code: 'NOT_FOUND' })
        expect(await store.head('no/such')).toBeNull()
        await store.delete('no/such')
      })

      it('includes the folders of keys', async () => {
        await store.put('a/b/c', 'x')
        expect(await store.head('a/b')).toBeNull()
        expect(await store.head('a')).toBeNull()
      })

      it('is gone after delete, and nothing else is', async () => {
        await store.put('a/1', 'x')
        await store.put('a/2', 'y')
        await store.delete('a/1')
        expect(await store.head('a/1')).toBeNull()
        expect(await read('a/2')).toBe('y')
      })
    })

    describe('keys', () => {
      it.each([
        ['a', 'a/b'],
        ['a', 'A'],
        ['a.b', 'a/b'],
        ['\u00e9', 'e\u0301'],
        ['a%2fb', 'a/b'],
        ['x'.repeat(200), 'x'.repeat(201)],
        ['fa', 'da/fb'],
        ['a ', 'a'],
        ['a+b', 'a b'],
      ])('%j and %j are two objects', async (one, other) => {
        await store.put(one, '1')
        await store.put(other, '2')
        expect([await read(one), await read(other)]).toEqual(['1', '2'])
        expect((await store.list('')).objects.map(({ key }) => key)).toEqual([one, other].sort(compareKeys))
      })

      it.each([
        '',
        '/a',
        'a/',
        'a//b',
        '.',
        '..',
        '../a',
        'a/../b',
        'a/./b',
        'a/..',
        'a\\b',
        'a\0b',
        'a\nb',
        'a\x7f',
        '\ud800',
        'x'.repeat(1025),
        'é'.repeat(513),
      ])('%j is refused everywhere', async (key) => {
        const code = { code: 'INVALID_KEY' }
        await expect(store.put(key, 'x')).rejects.toMatchObject(code)
        await expect(store.get(key)).rejects.toMatchObject(code)
        await expect(store.head(key)).rejects.toMatchObject(code)
        await expect(store.delete(key)).rejects.toMatchObject(code)
        await expect(store.presignGet(key, { expiresSeconds: 1 })).rejects.toMatchObject(code)
        await expect(store.presignPut(key, { expiresSeconds: 1 })).rejects.toMatchObject(code)
      })

      it('of 1024 bytes work, in one segment or in many', async () => {
        const { longestSegment = 1024, folderBytes = 0 } = under
        const segments = ['x'.repeat(1024), 'É'.repeat(512)].filter(() => longestSegment === 1024 && folderBytes === 0)
        for (const key of [...segments, `${'a/'.repeat(511)}ab`.slice(folderBytes)]) {
          await store.put(key, 'x')
          expect(await read(key)).toBe('x')
          await store.delete(key)
        }
      })

      it('hold what was put last, whatever they are', async () => {
        await fc.assert(
          fc.asyncProperty(fc.uniqueArray(validKey, { minLength: 1, maxLength: 5 }), async (made) => {
            const { longestSegment = 1024 } = under
            const keys = made.filter((key) => key.split('/').every((part) => Buffer.byteLength(part) <= longestSegment))
            for (const key of keys) await store.put(key, `content of ${key}`)
            for (const key of keys) expect(await read(key)).toBe(`content of ${key}`)
            const listed = (await store.list('')).objects.map(({ key }) => key)
            expect(listed).toEqual(keys.toSorted(compareKeys))
            for (const key of keys) await store.delete(key)
            expect((await store.list('')).objects).toEqual([])
          }),
          { numRuns: 40 },
        )
      })
    })

    describe('list', () => {
      const keys = ['a', 'a-b', 'a/1', 'a/2', 'a/b/c', 'ab', 'b/1', '\u{ffff}', '\u{1f600}']
      beforeEach(async () => {
        for (const key of keys) await store.put(key, key)
      })

      it.each([
        ['', keys],
        ['a', ['a', 'a-b', 'a/1', 'a/2', 'a/b/c', 'ab']],
        ['a/', ['a/1', 'a/2', 'a/b/c']],
        ['a/b', ['a/b/c']],
        ['a/b/c', ['a/b/c']],
        ['no', []],
        ['no/such/', []],
      ])('of the prefix %j, in the order of bytes', async (prefix, expected) => {
        const page = await store.list(prefix)
        expect(page.objects.map(({ key }) => key)).toEqual(expected)
        expect(page.cursor).toBeNull()
      })

      it('tells sizes', async () => {
        expect((await store.list('a/b/')).objects).toMatchObject([{ key: 'a/b/c', size: 5 }])
      })

      it.each([1, 2, 3, 9])('in pages of %i misses nothing and repeats nothing', async (limit) => {
        const seen: string[] = []
        let cursor: string | null = null
        do {
          const page = await store.list('', cursor, limit)
          expect(page.objects.length).toBeLessThanOrEqual(limit)
          seen.push(...page.objects.map(({ key }) => key))
          cursor = page.cursor
        } while (cursor !== null)
        expect(seen).toEqual(keys)
      })

      it('begins behind any key, so that a folder can be passed over', async () => {
        const page = await store.list('', 'a/\u{10ffff}', 2)
        expect(page.objects.map(({ key }) => key)).toEqual(['ab', 'b/1'])
      })

      it('goes on behind the cursor when the object at it is gone', async () => {
        const { cursor } = await store.list('', null, 3)
        await store.delete('a/1')
        expect((await store.list('', cursor, 1)).objects.map(({ key }) => key)).toEqual(['a/2'])
      })

      it('refuses prefixes that lead elsewhere and pages without bounds', async () => {
        await expect(store.list('../')).rejects.toMatchObject({ code: 'INVALID_KEY' })
        await expect(store.list('', null, 0)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
        await expect(store.list('', null, 1001)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
      })
    })

    describe('presigned addresses', () => {
      it('read an object, under the name given', async () => {
        await store.put('a b/ü?#.txt', 'content', { contentType: 'text/plain' })
        const url = await store.presignGet('a b/ü?#.txt', { expiresSeconds: 60, filename: 'Bericht.txt' })
        const answer = await under.request(url)
        expect(answer.status).toBe(200)
        expect(Buffer.from(answer.body).toString()).toBe('content')
        expect(answer.headers['content-type']).toBe('text/plain')
        expect(answer.headers['content-disposition']).toMatch(/^attachment; .*Bericht\.txt/)
      })

      it('read a range', async () => {
        await store.put('k', '0123456789')
        const url = await store.presignGet('k', { expiresSeconds: 60 })
        const answer = await under.request(url, { headers: { range: 'bytes=2-4' } })
        expect([answer.status, Buffer.from(answer.body).toString()]).toEqual([206, '234'])
        expect(answer.headers['content-range']).toBe('bytes 2-4/10')
      })

      it('write an object', async () => {
        const url = await store.presignPut('up/load', { expiresSeconds: 60 })
        const body = Buffer.from('uploaded')
        const answer = await under.request(url, { method: 'PUT', headers: { 'content-type': 'text/csv' }, body })
        expect(answer.status).toBe(200)
        expect(await read('up/load')).toBe('uploaded')
        expect((await store.head('up/load'))?.contentType).toBe('text/csv')
      })

      it('for reading do not write, and for writing do not read', async () => {
        await store.put('k', 'kept')
        const get = await store.presignGet('k', { expiresSeconds: 60 })
        const put = await store.presignPut('k', { expiresSeconds: 60 })
        expect((await under.request(get, { method: 'PUT', body: Buffer.from('x') })).status).toBe(403)
        expect((await under.request(put)).status).toBe(403)
        expect(await read('k')).toBe('kept')
      })

      it('do not open another key', async () => {
        await store.put('mine', 'x')
        await store.put('yours', 'x')
        const url = await store.presignGet('mine', { expiresSeconds: 60 })
        expect((await under.request(url.replace('mine', 'yours'))).status).toBe(403)
      })

      it('refuse an expiry of nothing, or of more than seven days', async () => {
        for (const expiresSeconds of [0, -1, 1.5, 604_801]) {
          const code = { code: 'INVALID_OPTION' }
          await expect(store.presignGet('k', { expiresSeconds })).rejects.toMatchObject(code)
          await expect(store.presignPut('k', { expiresSeconds })).rejects.toMatchObject(code)
        }
      })
    })
  })
}

/** Any key that the rules allow, with a taste for what could confuse a layout. */
const segment = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
  fc.constantFrom('a', 'A', 'd', 'f', 'c', 'fa', '%', '%61', '...', '.a', 'con', 'tmp', 'x'.repeat(300)),
)
export const validKey = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join('/'))
  .filter((key) => {
    try {
      checkKey(key)
      return true
    } catch {
      return false
    }
  })
