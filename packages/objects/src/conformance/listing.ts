/** What lists name, in which order, and what is deleted by its prefix. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { Subject } from './subject.ts'

export const listsAreComplete = ({ store }: Subject): void => {
  describe('list', () => {
    const keys = ['a', 'a-b', 'a/1', 'a/2', 'a/b/c', 'ab', 'b/1', '\u{ffff}', '\u{1f600}']
    beforeEach(async () => {
      for (const key of keys) await store().put(key, key)
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
      const page = await store().list(prefix)
      expect(page.objects.map(({ key }) => key)).toEqual(expected)
      expect(page.cursor).toBeNull()
    })

    it('tells sizes', async () => {
      expect((await store().list('a/b/')).objects).toMatchObject([{ key: 'a/b/c', size: 5 }])
    })

    it.each([1, 2, 3, 9])('in pages of %i misses nothing and repeats nothing', async (limit) => {
      const seen: string[] = []
      let cursor: string | null = null
      do {
        const page = await store().list('', cursor, limit)
        expect(page.objects.length).toBeLessThanOrEqual(limit)
        seen.push(...page.objects.map(({ key }) => key))
        cursor = page.cursor
      } while (cursor !== null)
      expect(seen).toEqual(keys)
    })

    it('begins behind any key, so that a folder can be passed over', async () => {
      const page = await store().list('', 'a/\u{10ffff}', 2)
      expect(page.objects.map(({ key }) => key)).toEqual(['ab', 'b/1'])
    })

    it('goes on behind the cursor when the object at it is gone', async () => {
      const { cursor } = await store().list('', null, 3)
      await store().delete('a/1')
      expect((await store().list('', cursor, 1)).objects.map(({ key }) => key)).toEqual(['a/2'])
    })

    it('refuses prefixes that lead elsewhere and pages without bounds', async () => {
      await expect(store().list('../')).rejects.toMatchObject({ code: 'INVALID_KEY' })
      await expect(store().list('', null, 0)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
      await expect(store().list('', null, 1001)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    })
  })

  describe('deletePrefix', () => {
    it('deletes what begins so, and nothing else', async () => {
      for (const key of ['a/1', 'a/2', 'a/b/3', 'ab', 'b']) await store().put(key, 'x')
      expect(await store().deletePrefix('a/')).toBe(3)
      expect((await store().list('')).objects.map(({ key }) => key)).toEqual(['ab', 'b'])
      expect(await store().deletePrefix('a/')).toBe(0)
    })

    it('refuses prefixes that lead elsewhere', async () => {
      await expect(store().deletePrefix('../')).rejects.toMatchObject({ code: 'INVALID_KEY' })
    })
  })
}
