import { symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { scanFolder, scanParams } from '../src/index.ts'
import { aTask, folderWith, run } from './support.ts'

const paths = async (folder: string) => (await scanFolder({ folder }, aTask())).files.map(({ path }) => path)

test('the same folder gives the same answer, in order', async () => {
  const folder = await folderWith({ 'b/z.md': 'zz', 'b.txt': 'b', 'B.txt': '', 'a/ä.txt': 'ä', 'b/é/x': '1' })
  const scan = await scanFolder({ folder }, aTask())
  expect(scan).toEqual(await scanFolder({ folder }, aTask()))
  expect(scan.root).toBe(folder)
  expect(scan.files).toEqual([
    { path: 'B.txt', bytes: 0 },
    { path: 'a/ä.txt', bytes: 2 },
    { path: 'b.txt', bytes: 1 },
    { path: 'b/z.md', bytes: 2 },
    { path: 'b/é/x', bytes: 1 },
  ])
})

test('.gitignore files of every level decide as git does', async () => {
  const folder = await folderWith({
    '.gitignore': '*.log\n/dist\nbuild/\n!keep.log\ndocs/*.tmp\n**/deep/*.bak\n\\#odd\n# comment\nCASE\n',
    'a.log': '',
    'keep.log': '',
    'dist/x.txt': '',
    'sub/dist/x.txt': '',
    'build/x': '',
    'sub/build/x': '',
    'docs/a.tmp': '',
    'docs/in/a.tmp': '',
    'x/deep/a.bak': '',
    '#odd': '',
    case: '',
    'CASE/y': '',
    'sub/.gitignore': '!a.log\n/local\n*.txt\n!important.txt\n',
    'sub/a.log': '',
    'sub/b.log': '',
    'sub/local/x': '',
    'sub/more/local': '',
    'sub/more/x.txt': '',
    'sub/more/important.txt': '',
    'again/.gitignore': '!build/\n',
    'again/build/kept': '',
    'again/build/inner/kept': '',
    'again/build/.gitignore': 'lost\n',
    'again/build/lost': '',
  })
  run(folder, 'git', 'init', '--quiet')
  const git = run(folder, 'git', '-c', 'core.excludesFile=', 'ls-files', '-z', '--others', '--exclude-standard')
  expect(await paths(folder)).toEqual(git.split('\0').filter(Boolean).sort())
  expect((await scanFolder({ folder }, aTask())).skipped.ignored).toBeGreaterThan(5)
})

test('binary-files-are-told-by-their-content-not-their-name', async () => {
  const folder = await folderWith({
    'image.txt': Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 1),
    'text.png': 'words',
    'latin1.txt': Uint8Array.of(0x63, 0x61, 0x66, 0xe9),
    'utf16.txt': Buffer.from('words', 'utf16le'),
    empty: '',
  })
  const scan = await scanFolder({ folder }, aTask())
  expect(scan.files.map(({ path }) => path)).toEqual(['empty', 'latin1.txt', 'text.png'])
  expect(scan.skipped).toEqual({ binary: 2, ignored: 0, other: 0 })
})

test('links-leaving-the-folder-and-loops-are-not-followed', async () => {
  const outside = await folderWith({ 'secret.txt': 'secret', '.gitignore': 'inside.txt' })
  const folder = await folderWith({ 'inside.txt': 'in', 'sub/x.txt': 'x', 'other/y.txt': '' })
  await symlink(join(outside, 'secret.txt'), join(folder, 'link.txt'))
  await symlink(outside, join(folder, 'linked'))
  await symlink('..', join(folder, 'sub/loop'))
  await symlink('nowhere', join(folder, 'dangling'))
  await symlink('inside.txt', join(folder, 'twice.txt'))
  await symlink(join(outside, '.gitignore'), join(folder, '.gitignore'))
  const scan = await scanFolder({ folder }, aTask())
  expect(scan.files.map(({ path }) => path)).toEqual(['inside.txt', 'other/y.txt', 'sub/x.txt'])
  expect(scan.skipped.other).toBe(6)
})

test('pipes-and-sockets-do-not-hang-the-scan', async () => {
  const folder = await folderWith({ 'a.txt': '' })
  run(folder, 'mkfifo', 'pipe')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve))
  const scan = await scanFolder({ folder }, aTask())
  server.close()
  expect(scan.files).toHaveLength(1)
  expect(scan.skipped.other).toBe(2)
})

test('git-data-of-repositories-and-worktrees-is-left-out', async () => {
  const folder = await folderWith({
    '.git/config': '',
    'module/.git': 'gitdir: elsewhere',
    'module/a': '',
    '.github/b': '',
  })
  expect(await paths(folder)).toEqual(['.github/b', 'module/a'])
})

test('a folder reached through a link is named by its real path', async () => {
  const folder = await folderWith({ 'a.txt': '' })
  const other = await folderWith({})
  await symlink(folder, join(other, 'link'))
  expect((await scanFolder({ folder: join(other, 'link') }, aTask())).root).toBe(folder)
})

test('only-folders-below-the-roots-are-read', async () => {
  const folder = await folderWith({ 'in/a.txt': '', 'in-between/b.txt': '' })
  const roots = [join(folder, 'absent'), join(folder, 'in')]
  expect((await scanFolder({ folder: join(folder, 'in') }, aTask({ roots }))).files).toHaveLength(1)
  for (const path of [folder, join(folder, 'in-between'), join(folder, 'in/../in-between'), '/']) {
    await expect(scanFolder({ folder: path }, aTask({ roots }))).rejects.toMatchObject({ code: 'INVALID_INPUT_ERROR' })
  }
  await symlink(join(folder, 'in-between'), join(folder, 'in/out'))
  await expect(scanFolder({ folder: join(folder, 'in/out') }, aTask({ roots }))).rejects.toThrow('FOLDER_ROOTS')
  await expect(scanFolder({ folder }, aTask({ roots: [] }))).rejects.toThrow('FOLDER_ROOTS')
})

test('what is no folder is the caller’s mistake', async () => {
  const folder = await folderWith({ 'a.txt': '' })
  for (const path of [join(folder, 'absent'), join(folder, 'a.txt')]) {
    await expect(scanFolder({ folder: path }, aTask())).rejects.toMatchObject({ code: 'INVALID_INPUT_ERROR' })
  }
  expect(scanParams.safeParse({ folder: 'relative' }).success).toBe(false)
  expect(scanParams.safeParse({ folder: '/a\0b' }).success).toBe(false)
})

test('cancel-ends-the-scan', async () => {
  const folder = await folderWith({ 'a/a.txt': '', 'b/b.txt': '' })
  const cancel = new AbortController()
  const task = aTask({ signal: cancel.signal, progress: () => cancel.abort(new Error('cancelled')) })
  await expect(scanFolder({ folder }, task)).rejects.toThrow('cancelled')
})

test('an empty folder has no chunks', async () => {
  const folder = await folderWith({})
  expect(await scanFolder({ folder }, aTask())).toMatchObject({ files: [], chunks: [] })
})

test('files-that-cannot-be-opened-are-counted-not-fatal', async () => {
  const folder = await folderWith({ 'a.txt': 'a' })
  // A name that is no UTF-8 can't be given back to the system as it was read.
  await writeFile(Buffer.concat([Buffer.from(join(folder, 'b')), Buffer.of(0xff)]), 'b')
  const scan = await scanFolder({ folder }, aTask())
  expect(scan.files.map(({ path }) => path)).toEqual(['a.txt'])
  expect(scan.skipped.other).toBe(1)
})
