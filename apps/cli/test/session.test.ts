/** What a person types as an answer, and where files that a server names may be written. */
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { inside } from '../src/session/inside.ts'
import { readLocalFiles } from '../src/session/local-files.ts'
import { readAnswers, textsWanted } from '../src/session/read-answer.ts'
import { folderOf, scratch } from './support/scratch.ts'

const options = [
  { label: 'Red', description: '' },
  { label: 'Dark Blue', description: '' },
]
const question = (...questions: object[]) => ({
  ...{ kind: 'question' as const, tool_name: 'AskUserQuestion' },
  tool_input: JSON.parse(JSON.stringify({ questions })),
})
const permission = { kind: 'permission' as const, tool_name: 'Bash', tool_input: { command: 'ls' } }
const plan = { kind: 'plan' as const, tool_name: 'ExitPlanMode', tool_input: { plan: '1. do' } }

test.each([
  [permission, 'y', { decision: 'allow' }],
  [permission, 'always', { decision: 'allow', remember: true }],
  [plan, 'yes', { decision: 'allow' }],
  // Nothing can be remembered of a plan: the word is a wish.
  [plan, 'always', { decision: 'deny', message: 'always' }],
  [permission, '', { decision: 'deny' }],
  [permission, 'no: use git mv', { decision: 'deny', message: 'use git mv' }],
  [plan, 'smaller steps', { decision: 'deny', message: 'smaller steps' }],
  // What is not understood must never be a yes.
  [permission, 'yes please', { decision: 'deny', message: 'yes please' }],
])('%o answered with "%s"', (asked, text, answer) => {
  expect(readAnswers(asked, [text])).toEqual(answer)
})

test('choices are taken by number or label, and words stay words', () => {
  const asked = question(
    { question: 'One?', options, multiSelect: false },
    { question: 'Several?', options, multiSelect: true },
    { question: 'Open?' },
  )
  expect(textsWanted(asked)).toBe(3)
  expect(readAnswers(asked, ['dark blue', '1, 2', '7']).answers).toEqual({
    ...{ 'One?': 'Dark Blue', 'Several?': 'Red, Dark Blue', 'Open?': '7' },
  })
  expect(() => readAnswers(asked, ['3', '1', 'x'])).toThrow(/"One\?" has the choices 1 to 2, and no 3/)
})

test('a-server-names-a-path-outside-of-the-folder: nothing is touched', async () => {
  const folder = await scratch()
  await mkdir(join(folder, 'mine'))
  await symlink(folder, join(folder, 'mine', 'out'))
  for (const path of ['../x', '/etc/x', 'a/../../x', '', '.', 'out/x', 'out'])
    if (path !== '/etc/x') await expect(inside(join(folder, 'mine'), path)).rejects.toThrow(/is not touched/)
  expect(await inside(join(folder, 'mine'), '/etc/x')).toBe(join(folder, 'mine', 'etc/x'))
  expect(await inside(join(folder, 'not-yet'), 'a/b')).toBe(join(folder, 'not-yet', 'a/b'))
})

test('of a folder texts travel in the message and all else is uploaded; what tools make again is left out', async () => {
  const folder = join(await scratch(), 'calc')
  await folderOf(folder, {
    'a.txt': 'ä',
    'deep/b.txt': 'b',
    'node_modules/x.js': 'x',
    'large.txt': 'x'.repeat(1_000_001),
  })
  await writeFile(join(folder, 'picture.png'), Buffer.from([0x89, 0x50, 0, 1]))
  await writeFile(join(folder, 'latin-1.txt'), Buffer.from([0xe4]))
  await symlink('a.txt', join(folder, 'link'))
  for (const script of ['a.txt', 'picture.png']) await chmod(join(folder, script), 0o755)
  const { files, uploads, leftOut } = await readLocalFiles(folder)
  expect(files.sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
    { path: 'calc/a.txt', content: 'ä', executable: true },
    { path: 'calc/deep/b.txt', content: 'b' },
  ])
  const uploaded = ['large.txt', 'latin-1.txt', 'picture.png']
  expect(uploads.sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual(
    uploaded.map((name) => ({
      ...{ file: join(folder, name), path: `calc/${name}` },
      ...(name === 'picture.png' ? { executable: true } : {}),
    })),
  )
  expect(leftOut).toEqual(['link'])
  expect(await readFile(join(folder, 'a.txt'), 'utf8')).toBe('ä')
})
