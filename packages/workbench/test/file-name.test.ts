import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fileNameOf } from '../src/uploads/file-name.ts'

test.each([
  ['report.pdf', 'report.pdf'],
  ['C:\\Users\\me\\report.pdf', 'report.pdf'],
  ['../../etc/passwd', 'passwd'],
  ['..', 'file'],
  ['', 'file'],
  [' . ', 'file'],
  ['.env', '.env'],
  ['a\u202egnp.exe', 'agnp.exe'],
  ['a\r\nb.txt', 'ab.txt'],
  [`${'é'.repeat(300)}.tar.gz`, `${'é'.repeat(98)}.gz`],
])('%j is kept as %j', (sent, kept) => {
  expect(fileNameOf(sent)).toBe(kept)
})

test('whatever is sent, the name is one segment of a path, and short', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (sent) => {
      const name = fileNameOf(sent)
      expect(name).not.toMatch(/[/\\\p{Cc}]|^\.*$/u)
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(200)
    }),
  )
})
