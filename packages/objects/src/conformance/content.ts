/** What is put is given back: bodies, ranges, and what is not there. */
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { beforeEach, describe, expect, it } from 'vitest'
import { readFrom, type Subject } from './subject.ts'

export const contentIsKept = ({ store }: Subject): void => {
  const read = (key: string, range?: { start: number; end?: number }) => readFrom(store(), key, range)

  describe('put and get', () => {
    it('give back what was put, as text, bytes or stream', async () => {
      await store().put('text', 'Grüße')
      await store().put('bytes', Buffer.from('bytes'))
      await store().put('stream', Readable.from([Buffer.from('a'), 'b', Buffer.from('c')]))
      expect([await read('text'), await read('bytes'), await read('stream')]).toEqual(['Grüße', 'bytes', 'abc'])
    })

    it('report size and hash of the bytes', async () => {
      const sha256 = createHash('sha256').update('Grüße').digest('hex')
      expect(await store().put('k', 'Grüße')).toEqual({ key: 'k', size: 7, sha256 })
      expect(await store().head('k')).toMatchObject({ key: 'k', size: 7 })
    })

    it('keep the content type, or say octet-stream', async () => {
      await store().put('a', 'x', { contentType: 'text/html; charset=utf-8' })
      await store().put('b', 'x')
      expect((await store().head('a'))?.contentType).toBe('text/html; charset=utf-8')
      expect((await store().head('b'))?.contentType).toBe('application/octet-stream')
    })

    it('hold an empty object', async () => {
      expect(await store().put('empty', '')).toMatchObject({ size: 0 })
      expect(await read('empty')).toBe('')
      expect(await store().head('empty')).toMatchObject({ size: 0 })
    })

    it('hold an object of many chunks', async () => {
      const chunk = randomBytes(100_000)
      const body = Array.from({ length: 90 }, () => chunk)
      const { sha256, size } = await store().put('large', Readable.from(body))
      const hash = createHash('sha256')
      for await (const piece of (await store().get('large')).stream) hash.update(piece)
      expect([size, hash.digest('hex')]).toEqual([9_000_000, sha256])
    })

    it('replace a former object, its type and its tag', async () => {
      await store().put('k', 'a long first content', { contentType: 'text/plain' })
      const before = await store().head('k')
      await store().put('k', 'second')
      expect(await read('k')).toBe('second')
      const after = await store().head('k')
      expect(after).toMatchObject({ size: 6, contentType: 'application/octet-stream' })
      expect(after?.etag).not.toBe(before?.etag)
    })

    it('agree on the tag', async () => {
      await store().put('k', 'x')
      const content = await store().get('k')
      content.stream.destroy()
      expect(content.etag).toBe((await store().head('k'))?.etag)
    })

    it('finish a read that began before the object was replaced and deleted', async () => {
      await store().put('k', 'old')
      const { stream } = await store().get('k')
      await store().put('k', 'new')
      await store().delete('k')
      expect((await buffer(stream)).toString()).toBe('old')
    })
  })

  describe('ranges', () => {
    beforeEach(() => store().put('k', '0123456789'))

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
      const content = await store().get('k', { range: { start: 7, end: 99 } })
      content.stream.destroy()
      expect(content).toMatchObject({ size: 10, range: { start: 7, end: 9 } })
      const whole = await store().get('k')
      whole.stream.destroy()
      expect(whole.range).toBeNull()
    })

    it('that start behind the end are refused', async () => {
      await store().put('empty', '')
      const code = { code: 'RANGE_NOT_SATISFIABLE' }
      await expect(store().get('k', { range: { start: 10 } })).rejects.toMatchObject(code)
      await expect(store().get('empty', { range: { start: 0 } })).rejects.toMatchObject(code)
    })

    it('that are no ranges are refused', async () => {
      const code = { code: 'INVALID_OPTION' }
      await expect(store().get('k', { range: { start: 4, end: 2 } })).rejects.toMatchObject(code)
      await expect(store().get('k', { range: { start: -1 } })).rejects.toMatchObject(code)
    })
  })

  describe('what is not there', () => {
    it('is NOT_FOUND to get, null to head, and nothing to delete', async () => {
      await expect(store().get('no/such')).rejects.toMatchObject({ name: 'ObjectStoreError', code: 'NOT_FOUND' })
      expect(await store().head('no/such')).toBeNull()
      await store().delete('no/such')
    })

    it('includes the folders of keys', async () => {
      await store().put('a/b/c', 'x')
      expect(await store().head('a/b')).toBeNull()
      expect(await store().head('a')).toBeNull()
    })

    it('is gone after delete, and nothing else is', async () => {
      await store().put('a/1', 'x')
      await store().put('a/2', 'y')
      await store().delete('a/1')
      expect(await store().head('a/1')).toBeNull()
      expect(await read('a/2')).toBe('y')
    })
  })

  describe('a body that fails on the way', () => {
    async function* failing() {
      yield Buffer.alloc(70_000)
      throw new Error('the sender went away')
    }

    it('stores nothing', async () => {
      await expect(store().put('k', Readable.from(failing()))).rejects.toThrow('the sender went away')
      expect(await store().head('k')).toBeNull()
      expect((await store().list('')).objects).toEqual([])
    })

    it('leaves the former object', async () => {
      await store().put('k', 'former')
      await expect(store().put('k', Readable.from(failing()))).rejects.toThrow('the sender went away')
      expect(await read('k')).toBe('former')
    })
  })
}
