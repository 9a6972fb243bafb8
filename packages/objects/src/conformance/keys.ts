/** Which keys there are, and that no two of them are the same object. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareKeys } from '../keys.ts'
import { readFrom, type Subject, validKey } from './subject.ts'

export const keysAreApart = ({ store, under }: Subject): void => {
  const read = (key: string) => readFrom(store(), key)

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
      await store().put(one, '1')
      await store().put(other, '2')
      expect([await read(one), await read(other)]).toEqual(['1', '2'])
      expect((await store().list('')).objects.map(({ key }) => key)).toEqual([one, other].sort(compareKeys))
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
      await expect(store().put(key, 'x')).rejects.toMatchObject(code)
      await expect(store().get(key)).rejects.toMatchObject(code)
      await expect(store().head(key)).rejects.toMatchObject(code)
      await expect(store().delete(key)).rejects.toMatchObject(code)
      await expect(store().presignGet(key, { expiresSeconds: 1 })).rejects.toMatchObject(code)
      await expect(store().presignPut(key, { expiresSeconds: 1 })).rejects.toMatchObject(code)
    })

    it('of 1024 bytes work, in one segment or in many', async () => {
      const { longestSegment = 1024, folderBytes = 0 } = under()
      const segments = ['x'.repeat(1024), 'É'.repeat(512)].filter(() => longestSegment === 1024 && folderBytes === 0)
      for (const key of [...segments, `${'a/'.repeat(511)}ab`.slice(folderBytes)]) {
        await store().put(key, 'x')
        expect(await read(key)).toBe('x')
        await store().delete(key)
      }
    })

    it('hold what was put last, whatever they are', async () => {
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(validKey, { minLength: 1, maxLength: 5 }), async (made) => {
          const { longestSegment = 1024 } = under()
          const keys = made.filter((key) => key.split('/').every((part) => Buffer.byteLength(part) <= longestSegment))
          for (const key of keys) await store().put(key, `content of ${key}`)
          for (const key of keys) expect(await read(key)).toBe(`content of ${key}`)
          const listed = (await store().list('')).objects.map(({ key }) => key)
          expect(listed).toEqual(keys.toSorted(compareKeys))
          for (const key of keys) await store().delete(key)
          expect((await store().list('')).objects).toEqual([])
        }),
        { numRuns: 40 },
      )
    })
  })
}
