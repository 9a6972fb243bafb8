/** A content is what its hash says, or is not given. */
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { readFrom, type Subject } from './subject.ts'

export const contentIsWhole = ({ store, under }: Subject): void => {
  const read = (key: string) => readFrom(store(), key)

  describe('integrity', () => {
    const sha256 = createHash('sha256').update('content').digest('hex')

    it('the hash is kept, and told before anything is read', async () => {
      await store().put('k', 'content')
      expect((await store().head('k'))?.sha256).toBe(sha256)
      const { stream, sha256: told } = await store().get('k')
      stream.destroy()
      expect(told).toBe(sha256)
    })

    it('the hash of a large stream is kept too, with its type', async () => {
      const body = Array.from({ length: 90 }, () => randomBytes(100_000))
      await store().put('large', Readable.from(body), { contentType: 'text/plain' })
      const hash = createHash('sha256').update(Buffer.concat(body)).digest('hex')
      expect(await store().head('large')).toMatchObject({ size: 9_000_000, sha256: hash, contentType: 'text/plain' })
    })

    it.each([7, 9_000_000])('a body of %i bytes that is not the one announced stores nothing', async (size) => {
      await store().put('k', 'former')
      const body = Readable.from(Array.from({ length: 10 }, () => Buffer.alloc(size / 10)))
      const code = { code: 'INTEGRITY_MISMATCH' }
      await expect(store().put('k', body, { sha256 })).rejects.toMatchObject(code)
      expect(await read('k')).toBe('former')
    })

    it('a body that is the one announced is stored', async () => {
      expect(await store().put('k', 'content', { sha256 })).toMatchObject({ sha256 })
    })

    it('a content that somebody changed is CORRUPT, never read as if it were whole', async () => {
      await store().put('k', 'content'.repeat(10_000))
      await under().tamper('k')
      const { stream } = await store().get('k')
      await expect(buffer(stream)).rejects.toMatchObject({ code: 'CORRUPT' })
    })
  })
}
