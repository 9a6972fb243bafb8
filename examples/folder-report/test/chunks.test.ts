import fc from 'fast-check'
import { expect, test } from 'vitest'
import { shareOut } from '../src/chunks.ts'

const filesOf = (sizes: number[]) =>
  sizes.map((bytes, index) => ({ path: `f${String(index).padStart(5, '0')}`, bytes }))

test('every file is in one chunk, and no chunk is empty', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1e9), { maxLength: 300 }), fc.integer({ min: 1, max: 100 }), (sizes, chunkSize) => {
      const files = filesOf(sizes)
      const chunks = shareOut(files, chunkSize)
      expect(chunks.flat().sort()).toEqual(files.map(({ path }) => path))
      expect(chunks.every((chunk) => chunk.length > 0)).toBe(true)
      expect(chunks.length).toBeLessThanOrEqual(64)
      if (files.length >= 2) expect(chunks.length).toBeGreaterThanOrEqual(2)
      expect(shareOut(files.toReversed(), chunkSize)).toEqual(chunks)
    }),
  )
})

test('no chunk is heavier than another by more than one file', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1e6), { minLength: 2, maxLength: 200 }), (sizes) => {
      const files = filesOf(sizes)
      const weights = new Map(files.map(({ path, bytes }) => [path, bytes + 1024]))
      const loads = shareOut(files, 10).map((chunk) => chunk.reduce((sum, path) => sum + (weights.get(path) ?? 0), 0))
      expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(Math.max(...weights.values()))
    }),
  )
})

test('one-huge-file-does-not-drag-the-small-ones-along', () => {
  const chunks = shareOut(filesOf([1e9, ...Array(60).fill(1000)]), 20)
  expect(chunks.find((chunk) => chunk.includes('f00000'))).toEqual(['f00000'])
})

test('empty-files-spread-too', () => {
  expect(shareOut(filesOf(Array(100).fill(0)), 10).map((chunk) => chunk.length)).toEqual(Array(10).fill(10))
})
