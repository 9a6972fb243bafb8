/** `tutti run`: an agent from the terminal, with the folders that it is given and fetched. */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { personWithStack } from './support/person.ts'
import { processesOf, run, tutti } from './support/processes.ts'
import { folderOf, scratch } from './support/scratch.ts'

test('an agent from the terminal: streamed to its end, its files fetched; a folder nobody allowed is refused', async () => {
  const { folder, stack, types } = await personWithStack()
  const target = join(folder, 'fetched')
  const allowed = await types('run', 'Look around.', '--folder', join(folder, 'shared'), '--download', target)
  expect([allowed.code, allowed.stderr]).toEqual([0, ''])
  expect(allowed.stdout).toMatch(/session running[\s\S]*session completed[\s\S]*completed · session .* tokens in/)
  expect(allowed.stdout).toMatch(/\d+ files written to/)
  const [, session = ''] = /completed · session (\S+)/.exec(allowed.stdout) ?? []
  const next = await types('run', 'And now?', '--session', session)
  expect([next.code, next.stderr]).toEqual([0, ''])
  expect(next.stdout).toContain(`completed · session ${session}`)

  await mkdir(join(folder, 'private'))
  const refused = await types('run', 'Look around.', '--folder', join(folder, 'private'))
  expect(refused.code).toBe(1)
  expect(refused.stdout).toContain('STAGING_ROOTS')
  expect(refused.stdout + refused.stderr).not.toMatch(/^ +at /m)
  stack.kill('SIGTERM')
  expect((await stack.ended).code).toBe(0)
})

test('a folder of one’s own arrives byte for byte; what is gone on with is told, and a limit by its code', async () => {
  const { folder, stack, types } = await personWithStack()
  const own = await folderOf(join(folder, 'own'), { 'note.txt': 'text' })
  const picture = Buffer.from(Array.from({ length: 70_000 }, (_, at) => (at * 7919) % 256))
  await writeFile(join(own, 'picture.png'), picture)
  const back = join(folder, 'back')
  const done = '```scripted\n[{"say": "Done."}]\n```'
  const sent = await types('run', done, '--upload', own, '--download', back)
  expect([sent.code, sent.stderr]).toEqual([0, ''])
  expect(await readFile(join(back, 'own', 'note.txt'), 'utf8')).toBe('text')
  expect((await readFile(join(back, 'own', 'picture.png'))).equals(picture)).toBe(true)
  expect((await stat(join(back, 'own', 'picture.png'))).mode & 0o111).toBe(0)

  // The conversation that one was in last is not the newest that there is.
  const [, session = ''] = /completed · session (\S+)/.exec(sent.stdout) ?? []
  expect((await types('run', done)).code).toBe(0)
  expect((await types('run', done, '--session', session)).code).toBe(0)
  const next = await types('run', done, '--continue')
  expect([next.code, next.stderr]).toEqual([0, expect.stringMatching(`^going on with session ${session} · `)])

  expect((await types('budget', 'set', '--session', session, '--tokens', '1')).code).toBe(0)
  const refused = await types('run', done, '--session', session)
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/ \(BUDGET_EXCEEDED\)\n→ /)])
  stack.kill('SIGTERM')
  expect((await stack.ended).code).toBe(0)
})

test('--continue goes on with what was begun in the folder that it is typed in, and says so where nothing was', async () => {
  const { folder, stack } = await personWithStack()
  const [one, other, third] = ['one', 'other', 'third'].map((name) => join(folder, name)) as [string, string, string]
  for (const each of [one, other, third]) await mkdir(each)
  const done = '```scripted\n[{"say": "Done."}]\n```'
  const typedIn = async (cwd: string, ...words: string[]): Promise<{ id: string; stderr: string }> => {
    const { code, stdout, stderr } = await run(['run', done, ...words], { TUTTI_DATA_DIR: join(folder, 'data') }, cwd)
    expect([words, code]).toEqual([words, 0])
    return { id: /completed · session (\S+)/.exec(stdout)?.[1] ?? '', stderr }
  }
  const first = await typedIn(one)
  const second = await typedIn(other)
  expect(await typedIn(one, '--continue')).toEqual({
    id: first.id,
    stderr: expect.stringMatching(`^going on with session ${first.id} · [^\n]*\n$`),
  })
  expect((await typedIn(other, '--continue')).id).toBe(second.id)
  // The last of all is not the newest.
  await typedIn(one, '--continue')
  expect(await typedIn(third, '--continue')).toEqual({
    id: first.id,
    stderr: expect.stringMatching(
      `^no session was begun in this folder: this is the last one of all\ngoing on with session ${first.id} · .*, begun in ${hostname()}:${one}\n$`,
    ),
  })
  // To have gone on with it here does not make it one of here.
  expect((await typedIn(third)).id).not.toBe(first.id)
  expect((await typedIn(third, '--continue')).stderr).toMatch(/^going on with/)
  stack.kill('SIGTERM')
  expect((await stack.ended).code).toBe(0)
})

test('a script that ran before runs in the sandbox, in what is fetched, and in what is packed', async () => {
  const { folder, stack, types } = await personWithStack()
  const own = await folderOf(join(folder, 'own'), {
    'greet.sh': '#!/bin/sh\necho "greeted by $(basename "$0")"\n',
    'not-yet.sh': '#!/bin/sh\n',
  })
  // No text, so it takes the other way, over an upload.
  const program = Buffer.from('#!/bin/sh\necho "a program of bytes"\nexit 0\n\0\xff', 'latin1')
  await writeFile(join(own, 'program'), program)
  for (const name of ['greet.sh', 'program']) await chmod(join(own, name), 0o755)
  const back = join(folder, 'back')
  const command = 'own/greet.sh && own/program && chmod +x own/not-yet.sh'
  const said = `\`\`\`scripted\n${JSON.stringify([{ tool: 'Bash', input: { command } }, { say_last_result: true }])}\n\`\`\``
  const sent = await types('run', said, '--upload', own, '--download', back)
  expect([sent.code, sent.stderr]).toEqual([0, ''])
  expect(sent.stdout).toContain('greeted by greet.sh\na program of bytes')

  for (const name of ['greet.sh', 'program', 'not-yet.sh'])
    expect([name, (await stat(join(back, 'own', name))).mode & 0o100]).toEqual([name, 0o100])
  const [, session = ''] = /completed · session (\S+)/.exec(sent.stdout) ?? []
  const headers = { authorization: `Bearer ${stack.clientToken}` }
  const answer = await fetch(`${stack.backendUrl}/api/v1/sessions/${session}/workspace/archive`, { headers })
  const { data } = (await answer.json()) as { data: { url: string } }
  const zip = join(folder, 'archive.zip')
  await writeFile(zip, Buffer.from(await (await fetch(new URL(data.url, stack.backendUrl))).arrayBuffer()))
  const listed = execFileSync('python3', ['-c', listModes, zip]).toString()
  expect(listed.trim().split('\n').sort()).toEqual(
    ['greet.sh', 'not-yet.sh', 'program'].map((name) => `workspace/own/${name} 755`),
  )

  // What the agent has made executable is a change, though not a letter is another.
  const diff = await types('session', 'diff', session, own)
  expect(diff.stdout).toBe('diff --git a/not-yet.sh b/not-yet.sh\nold mode 100644\nnew mode 100755\n')
  expect((await types('session', 'apply', session, own, '--force')).stdout).toBe('~ not-yet.sh\n')
  expect((await stat(join(own, 'not-yet.sh'))).mode & 0o100).toBe(0o100)
  stack.kill('SIGTERM')
  expect((await stack.ended).code).toBe(0)
})

const listModes = `import sys, zipfile
for each in zipfile.ZipFile(sys.argv[1]).infolist(): print(each.filename, format(each.external_attr >> 16 & 0o777, 'o'))`

test('with no stack running, an agent gets one of its own, which ends with it', async () => {
  const folder = await scratch()
  const given = await folderOf(join(folder, 'given'), { 'README.md': '# Given\n' })
  const env = { TUTTI_DATA_DIR: join(folder, 'data') }
  const { code, stdout, stderr } = await run(['run', 'Look around.', '--folder', given], env)
  expect([code, stderr]).toEqual([0, expect.stringContaining('The model is scripted: no AI')])
  expect(stdout).toContain('completed · session')
  expect(processesOf(folder)).toEqual([])

  const interrupted = tutti(['run', 'Look around.', '--folder', given], env)
  await interrupted.prints(/session running/)
  interrupted.kill('SIGINT')
  expect((await interrupted.ended).code).toBe(130)
  expect(processesOf(folder)).toEqual([])
})
