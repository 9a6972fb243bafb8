/** Skills and plugins: what is taken, what is refused, and what is kept, over real HTTP with a real object store. */
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { BundleFile, SkillView } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ZipFile } from 'yazl'
import { type Answer, createStage, internalToken, type Running, type Stage } from '../support/stage.ts'

let stage: Stage
let own: Running

beforeAll(async () => {
  stage = await createStage()
  own = await stage.backend()
})
afterAll(() => stage.close())

const data = <T = SkillView>(answer: Answer): T => {
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return answer.body.data as T
}
const refusal = (answer: Answer): unknown => [
  answer.status,
  (answer.body.data as { code: string }).code,
  (answer.body.data as { path?: string }).path,
]
const front = (name: string): string => `---\nname: ${name}\ndescription: Ties knots\n---\nTie them twice.`
const post = (body: object, path = '/skills'): Promise<Answer> => own.post(`/api/v1${path}`, body)
const filesOf = async (id: number, path = '/skills'): Promise<BundleFile[]> =>
  data<BundleFile[]>(await own.get(`/api/v1${path}/${id}/files`))
const stored = async (): Promise<string[]> =>
  (await stage.objects.list('')).objects.map(({ key }) => key).filter((key) => !key.startsWith('attachments/'))

type Packed = [name: string, content: string, mode?: number]
const zipOf = async (files: Packed[], change: (zip: Buffer) => Buffer = (zip) => zip): Promise<string> => {
  const zip = new ZipFile()
  for (const [name, content, mode = 0o100644] of files) zip.addBuffer(Buffer.from(content), name, { mode })
  zip.end()
  const key = `attachments/default/${Math.random().toString(36).slice(2)}/a.zip`
  await stage.objects.put(key, change(await buffer(zip.outputStream as Readable)))
  return key
}

test('files given one by one become a skill, named and described by its own words', async () => {
  const files = [
    { path: 'SKILL.md', content: front('knots') },
    { path: 'bin/tie', base64: Buffer.from('#!/bin/sh\n').toString('base64'), executable: true },
  ]
  const skill = data(await post({ files }))
  expect(skill).toMatchObject({
    ...{ name: 'knots', description: 'Ties knots', scope: 'user', owner_user_id: 'default' },
    ...{ source: { kind: 'manual' }, file_count: 2, size: front('knots').length + 10 },
  })
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
  expect(await filesOf(skill.id)).toEqual([
    { path: 'SKILL.md', size: front('knots').length, sha256: sha256(front('knots')), executable: false },
    { path: 'bin/tie', size: 10, sha256: sha256('#!/bin/sh\n'), executable: true },
  ])
  expect(refusal(await post({ files }))).toEqual([409, 'CAPABILITY_EXISTS', 'body'])
  // What was refused leaves nothing behind.
  expect(await stored()).toEqual([expect.stringMatching(/^skills\/default\/[0-9a-f-]{36}\/[0-9a-f]{64}\.zip$/)])
  const renamed = data(await own.send('PATCH', `/api/v1/skills/${skill.id}`, { name: 'bends' }))
  expect(renamed).toMatchObject({ id: skill.id, name: 'bends', file_count: 2 })
  const before = await stored()
  const changed = await own.send('PATCH', `/api/v1/skills/${skill.id}`, { files: files.slice(0, 1) })
  expect(data(changed)).toMatchObject({ name: 'bends', file_count: 1 })
  expect(await stored()).toHaveLength(1)
  expect(await stored()).not.toEqual(before)
  data(await own.send('DELETE', `/api/v1/skills/${skill.id}`, {}))
  expect(await stored()).toEqual([])
})

test('an uploaded zip is packed anew: its one folder taken off, litter left out, the same files the same archive', async () => {
  const files: Packed[] = [
    ['knots/SKILL.md', front('knots')],
    ['knots/bin/tie', '#!', 0o100755],
    ['__MACOSX/knots/._SKILL.md', 'x'],
    ['knots/.DS_Store', 'x'],
  ]
  const first = data(await post({ attachment: await zipOf(files), name: 'one' }))
  const second = data(await post({ attachment: await zipOf(files.reverse()), name: 'two' }))
  expect(first).toMatchObject({ source: { kind: 'zip' }, file_count: 2 })
  expect((await filesOf(first.id)).map(({ path, executable }) => [path, executable])).toEqual([
    ['SKILL.md', false],
    ['bin/tie', true],
  ])
  const hashes = (await stored()).map((key) => key.split('/').at(-1))
  expect(hashes).toHaveLength(2)
  expect(new Set(hashes).size).toBe(1)
  for (const { id } of [first, second]) data(await own.send('DELETE', `/api/v1/skills/${id}`, {}))
})

test('an upload of somebody else, or none, is not there, whatever its key looks like', async () => {
  const theirs = 'attachments/stranger/1/a.zip'
  await stage.objects.put(theirs, 'x')
  for (const attachment of [
    theirs,
    'attachments/default/none.zip',
    'skills/stranger/x.zip',
    'attachments/default/../stranger/1/a.zip',
  ])
    expect(refusal(await post({ attachment }))).toEqual([404, 'FILE_NOT_FOUND', 'body.attachment'])
})

test.each<[string, Packed[], string]>([
  [
    'a link',
    [
      ['SKILL.md', front('a')],
      ['l', '/etc/passwd', 0o120777],
    ],
    'link',
  ],
  ['no SKILL.md', [['README.md', 'x']], 'there is no SKILL.md'],
  [
    'a file that is a folder too',
    [
      ['SKILL.md', front('a')],
      ['a', 'x'],
      ['a/b', 'x'],
    ],
    'both a file and a folder',
  ],
  [
    'two files of one path',
    [
      ['SKILL.md', front('a')],
      ['SKILL.md', front('b')],
    ],
    'the same path',
  ],
  ['no front matter', [['SKILL.md', 'Just do it.']], 'must begin with front matter'],
  ['front matter that is no YAML', [['SKILL.md', '---\na: [\n---\n']], 'SKILL.md'],
  ['a skill without description', [['SKILL.md', '---\nname: a\n---\n']], 'must hold a description'],
  ['a name that is a path', [['SKILL.md', '---\nname: ../a\ndescription: d\n---\n']], 'letters, digits'],
])('an archive with %s is refused', async (_, files, message) => {
  const answer = await post({ attachment: await zipOf(files) })
  expect([answer.status, answer.body.message]).toEqual([400, expect.stringContaining(message)])
  expect(await stored()).toEqual([])
})

/** yazl writes no such names, so they are written over. */
const named = (from: string, to: string) => (zip: Buffer) =>
  Buffer.from(zip.toString('latin1').replaceAll(from, to), 'latin1')

test.each([
  ['leads out', '../../../x'],
  ['is absolute', '/etc/passwdx'.slice(0, 10)],
  ['has a backslash', '..\\..\\..\\x'.slice(0, 10)],
])('an archive with a path that %s is refused', async (_, path) => {
  const files: Packed[] = [
    ['SKILL.md', front('a')],
    ['0123456789', 'x'],
  ]
  const answer = await post({ attachment: await zipOf(files, named('0123456789', path)) })
  expect(refusal(answer)).toEqual([400, 'INVALID_BODY', 'body.attachment'])
})

test('paths of files given one by one are held to the same', async () => {
  for (const path of ['../x', '/x', 'a//b', './x', 'a\\b', 'a\nb', `${'a'.repeat(256)}/b`]) {
    const answer = await post({
      files: [
        { path: 'SKILL.md', content: front('a') },
        { path, content: 'x' },
      ],
    })
    expect(refusal(answer)).toEqual([400, 'INVALID_BODY', 'body.files'])
  }
})

test('an archive that unpacks to more than it says, or to more than is allowed, is refused before it fills a disk', async () => {
  const declaring = (from: number, to: number) => (zip: Buffer) => {
    const copy = Buffer.from(zip)
    const [size, other] = [Buffer.alloc(4), Buffer.alloc(4)]
    size.writeUInt32LE(from)
    other.writeUInt32LE(to)
    for (let at = copy.indexOf(size); at !== -1; at = copy.indexOf(size, at + 4)) other.copy(copy, at)
    return copy
  }
  const zeros: Packed[] = [
    ['SKILL.md', front('bomb')],
    ['zeros', '0'.repeat(100_003)],
  ]
  const bomb = await zipOf(zeros, declaring(100_003, 600_000_000))
  expect(refusal(await post({ attachment: bomb }))).toEqual([413, 'PAYLOAD_TOO_LARGE', 'body.attachment'])
  const lying = await zipOf(zeros, declaring(100_003, 1))
  expect(refusal(await post({ attachment: lying }))).toEqual([400, 'INVALID_BODY', 'body.attachment'])
  const broken = 'attachments/default/broken/a.zip'
  await stage.objects.put(broken, 'no zip at all')
  expect(refusal(await post({ attachment: broken }))).toEqual([400, 'INVALID_BODY', 'body.attachment'])
  const many: Packed[] = Array.from({ length: 5_001 }, (_, at) => [`f${at}`, ''])
  expect(refusal(await post({ attachment: await zipOf(many) }))).toEqual([413, 'PAYLOAD_TOO_LARGE', 'body.attachment'])
  expect(await stored()).toEqual([])
})

test('a plugin has its manifest’s name and version; the operator’s is everybody’s to use, and nobody else’s to make', async () => {
  const manifest = { name: 'port', version: '1.2.0', description: 'Cranes' }
  const files = [
    { path: '.claude-plugin/plugin.json', content: JSON.stringify(manifest) },
    { path: 'commands/lift.md', content: 'Lift.' },
  ]
  const plugin = data(await post({ files }, '/plugins'))
  expect(plugin).toMatchObject({ name: 'port', version: '1.2.0', description: 'Cranes', manifest })
  const bad = [{ path: '.claude-plugin/plugin.json', content: '[]' }]
  expect(refusal(await post({ files: bad }, '/plugins'))).toEqual([400, 'INVALID_BODY', 'body.files'])
  expect(refusal(await post({ files, name: 'x', scope: 'system' }, '/plugins'))).toEqual([
    403,
    'FORBIDDEN',
    'body.scope',
  ])
  expect((await post({ files, name: 'x' }, '/internal/plugins')).status).toBe(403)
  const system = data(
    await own.post('/api/v1/internal/plugins', { files, name: 'x' }, { 'x-internal-token': internalToken }),
  )
  expect(system).toMatchObject({ scope: 'system', owner_user_id: null })
  expect(refusal(await own.send('DELETE', `/api/v1/plugins/${system.id}`, {}))).toEqual([403, 'FORBIDDEN', undefined])
  expect(data<SkillView[]>(await own.get('/api/v1/plugins')).map(({ name, scope }) => [name, scope])).toEqual([
    ['port', 'user'],
    ['x', 'system'],
  ])
})
