import { createHash } from 'node:crypto'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { measureFiles } from '../src/index.ts'
import { longestLine } from '../src/line-reader.ts'
import { aTask, folderWith, run } from './support.ts'

const wc = (folder: string, flag: string, path: string) => Number.parseInt(run(folder, 'wc', flag, path), 10)

test.each([
  ['nothing', ''],
  ['no line end', 'one two'],
  ['blank lines', '\n\n \n'],
  ['windows line ends', 'a b\r\nc\r\n'],
  ['all white space', 'a\tb\vc\fd\re f'],
  ['wide spaces', 'a\u2003b\u3000c\u205fd\u1680e'],
  ['non-breaking spaces', 'a\u00a0b\u202fc\u2007d'],
  ['joiners that are no spaces', 'a\u200bb c\ufeffd'],
  ['other scripts', 'größe 漢字 🎉 – e\u0301\n'],
  ['byte order mark', '\ufeffone two\n'],
])('lines, words and bytes are those of wc: %s', async (_name, text) => {
  const folder = await folderWith({ 'f.txt': text })
  const measured = await measureFiles({ folder, files: ['f.txt'] }, aTask())
  expect([measured.lines, measured.words, measured.bytes]).toEqual([
    wc(folder, '-l', 'f.txt'),
    wc(folder, '-w', 'f.txt'),
    wc(folder, '-c', 'f.txt'),
  ])
})

test('characters-cut-by-the-edge-of-a-piece-stay-whole', async () => {
  const text = `x${'é'.repeat(400_000)} ${'🎉 TODO '.repeat(100_000)}\nTODO: ü\n`
  const folder = await folderWith({ 'f.txt': text })
  const measured = await measureFiles({ folder, files: ['f.txt'] }, aTask())
  expect(measured.words).toBe(wc(folder, '-w', 'f.txt'))
  expect(measured.todos).toEqual([{ file: 'f.txt', line: 2, mark: 'TODO', text: 'TODO: ü' }])
  expect(measured.hashes).toEqual([
    { path: 'f.txt', sha256: createHash('sha256').update(text).digest('hex'), bytes: Buffer.byteLength(text) },
  ])
})

test('memory-does-not-grow-with-one-endless-line', async () => {
  const folder = await folderWith({ 'f.txt': Buffer.alloc(256 * 1024 * 1024, 'x') })
  const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed
  let most = 0
  const watch = setInterval(() => {
    const { arrayBuffers, heapUsed } = process.memoryUsage()
    most = Math.max(most, arrayBuffers + heapUsed)
  }, 1)
  const measured = await measureFiles({ folder, files: ['f.txt'] }, aTask())
  clearInterval(watch)
  expect(measured).toMatchObject({ lines: 0, words: 1, bytes: 256 * 1024 * 1024 })
  expect(most).toBeGreaterThan(0)
  // What has been read and is not collected yet counts, too.
  expect(most - before).toBeLessThan(160 * 1024 * 1024)
})

test('marks are whole words, one per line, with a text that a database can keep', async () => {
  const cut = `${'x'.repeat(193)} TODO ${'🎉'.repeat(50)}`
  const folder = await folderWith({
    'a.ts': `// TODO: one\nconst TODOS = 1\n  /* FIXME, TODO */\nmktemp XXXXXX\nXXX\nHACK_it\n${cut}\nä TODOä\nTODO\0null\n`,
    'last.md': 'no end TODO',
  })
  const { todos } = await measureFiles({ folder, files: ['a.ts', 'last.md'] }, aTask())
  expect(todos.map(({ file, line, mark, text }) => [file, line, mark, text])).toEqual([
    ['a.ts', 1, 'TODO', '// TODO: one'],
    ['a.ts', 3, 'FIXME', '/* FIXME, TODO */'],
    ['a.ts', 5, 'XXX', 'XXX'],
    ['a.ts', 7, 'TODO', `${'x'.repeat(193)} TODO \ufffd`],
    ['a.ts', 9, 'TODO', 'TODOnull'],
    ['last.md', 1, 'TODO', 'no end TODO'],
  ])
  expect(todos.every(({ text }) => text.isWellFormed() && text.length <= 200)).toBe(true)
})

test('a mark far into an endless line is not seen', async () => {
  const folder = await folderWith({ f: `${'x '.repeat(longestLine)}TODO\nTODO` })
  expect((await measureFiles({ folder, files: ['f'] }, aTask())).todos.map(({ line }) => line)).toEqual([2])
})

test('broken links are relative ones whose target is missing', async () => {
  const folder = await folderWith({
    'docs/a.md': [
      '[ok](b.md) [anchor](b.md#part) [query](b.md?raw=1) [folder](../src) [top](/README.md) [here](#x)',
      '[coded](with%20space.md) ![image](../missing.png) [gone](c.md#part) [gone top](/docs/none.md)',
      '[web](https://example.org/x) [mail](mailto:a@b.c) [scheme-less](//cdn/x.js) [out](../../elsewhere.md)',
      '',
      '[ref]: nowhere.md',
      '[fine]: ../README.md',
      '[nul](%00) [percent](100%.md)',
    ].join('\n'),
    'docs/b.md': '',
    'docs/with space.md': '',
    'README.md': '# Title\n[x](docs/a.md)',
    'src/x.ts': '// [not](markdown.md)\n# no heading',
  })
  const files = ['README.md', 'docs/a.md', 'src/x.ts']
  const measured = await measureFiles({ folder, files }, aTask())
  expect(measured.broken_links.map(({ file, link }) => [file, link])).toEqual([
    ['docs/a.md', '../missing.png'],
    ['docs/a.md', 'c.md#part'],
    ['docs/a.md', '/docs/none.md'],
    ['docs/a.md', 'nowhere.md'],
    ['docs/a.md', '%00'],
    ['docs/a.md', '100%.md'],
  ])
  expect(measured).toMatchObject({ headings: 1, links: 19 })
})

test('paths-never-leave-the-folder', async () => {
  const folder = await folderWith({ 'in/a.txt': 'a', 'secret.txt': 'secret' })
  await symlink('../secret.txt', join(folder, 'in/link.txt'))
  await symlink('..', join(folder, 'in/up'))
  for (const path of ['../secret.txt', join(folder, 'secret.txt'), 'link.txt', 'up/secret.txt', 'x/../../secret.txt']) {
    await expect(measureFiles({ folder: join(folder, 'in'), files: [path] }, aTask())).rejects.toMatchObject({
      code: 'INVALID_INPUT_ERROR',
    })
  }
  const roots = [join(folder, 'in')]
  await expect(measureFiles({ folder, files: [] }, aTask({ roots }))).rejects.toThrow('FOLDER_ROOTS')
})

test('file-that-vanished-since-the-scan-is-named-not-fatal', async () => {
  const folder = await folderWith({ 'a.txt': 'a\n', 'now-a-folder/x': '' })
  run(folder, 'mkfifo', 'now-a-pipe')
  const files = ['a.txt', 'a.txt/below', 'gone.txt', 'now-a-folder', 'now-a-pipe']
  const measured = await measureFiles({ folder, files }, aTask())
  expect(measured).toMatchObject({ files: 1, lines: 1, missing: files.slice(1) })
})

test('cancel-ends-the-reading-in-the-middle-of-a-file', async () => {
  const folder = await folderWith({ 'a.txt': 'a', 'big.txt': Buffer.alloc(8 * 1024 * 1024, 'x\n') })
  const cancel = new AbortController()
  const seen: string[] = []
  const progress = (_fraction: number, message = '') => {
    seen.push(message)
    setImmediate(() => cancel.abort(new Error('cancelled')))
  }
  const files = ['a.txt', 'big.txt']
  await expect(measureFiles({ folder, files }, aTask({ signal: cancel.signal, progress }))).rejects.toThrow()
  expect(seen).toEqual(['a.txt'])
})

test('progress goes up to one', async () => {
  const folder = await folderWith({ a: '', b: '', c: '', d: '' })
  const seen: number[] = []
  await measureFiles({ folder, files: ['a', 'b', 'c', 'd'] }, aTask({ progress: (fraction) => seen.push(fraction) }))
  expect(seen).toEqual([0.25, 0.5, 0.75, 1])
})
