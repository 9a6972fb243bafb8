/** Addresses that open one object for one purpose, to whoever has them. */
import { describe, expect, it } from 'vitest'
import { readFrom, type Subject } from './subject.ts'

export const addressesOpenOne = ({ store, under }: Subject): void => {
  const read = (key: string) => readFrom(store(), key)

  describe('presigned addresses', () => {
    it('read an object, under the name given', async () => {
      await store().put('a b/ü?#.txt', 'content', { contentType: 'text/plain' })
      const url = await store().presignGet('a b/ü?#.txt', { expiresSeconds: 60, filename: 'Bericht.txt' })
      const answer = await under().request(url)
      expect(answer.status).toBe(200)
      expect(Buffer.from(answer.body).toString()).toBe('content')
      expect(answer.headers['content-type']).toBe('text/plain')
      expect(answer.headers['content-disposition']).toMatch(/^attachment; .*Bericht\.txt/)
    })

    it('read a range', async () => {
      await store().put('k', '0123456789')
      const url = await store().presignGet('k', { expiresSeconds: 60 })
      const answer = await under().request(url, { headers: { range: 'bytes=2-4' } })
      expect([answer.status, Buffer.from(answer.body).toString()]).toEqual([206, '234'])
      expect(answer.headers['content-range']).toBe('bytes 2-4/10')
    })

    it('write an object', async () => {
      const url = await store().presignPut('up/load', { expiresSeconds: 60 })
      const body = Buffer.from('uploaded')
      const answer = await under().request(url, { method: 'PUT', headers: { 'content-type': 'text/csv' }, body })
      expect(answer.status).toBe(200)
      expect(await read('up/load')).toBe('uploaded')
      expect((await store().head('up/load'))?.contentType).toBe('text/csv')
    })

    it('for reading do not write, and for writing do not read', async () => {
      await store().put('k', 'kept')
      const get = await store().presignGet('k', { expiresSeconds: 60 })
      const put = await store().presignPut('k', { expiresSeconds: 60 })
      expect((await under().request(get, { method: 'PUT', body: Buffer.from('x') })).status).toBe(403)
      expect((await under().request(put)).status).toBe(403)
      expect(await read('k')).toBe('kept')
    })

    it('do not open another key', async () => {
      await store().put('mine', 'x')
      await store().put('yours', 'x')
      const url = await store().presignGet('mine', { expiresSeconds: 60 })
      expect((await under().request(url.replace('mine', 'yours'))).status).toBe(403)
    })

    it('refuse an expiry of nothing, or of more than seven days', async () => {
      for (const expiresSeconds of [0, -1, 1.5, 604_801]) {
        const code = { code: 'INVALID_OPTION' }
        await expect(store().presignGet('k', { expiresSeconds })).rejects.toMatchObject(code)
        await expect(store().presignPut('k', { expiresSeconds })).rejects.toMatchObject(code)
      }
    })
  })
}
