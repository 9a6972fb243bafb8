import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventsOf, storedNumbers } from './support/fake-backend.ts'
import { bash, createStage, model, providerKey, type Stage, script } from './support/stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await createStage()
  await stage.start()
})
afterAll(() => stage.close())

it('run-from-claim-to-export', async () => {
  const source = join(stage.root, 'folders/project')
  mkdirSync(join(source, 'src'), { recursive: true })
  mkdirSync(join(source, 'node_modules/x'), { recursive: true })
  writeFileSync(join(source, 'src/main.txt'), 'from the folder\n')
  writeFileSync(join(source, 'tool.sh'), '#!/bin/sh\n', { mode: 0o755 })
  writeFileSync(join(source, 'node_modules/x/index.js'), '')
  symlinkSync('src/main.txt', join(source, 'within'))
  symlinkSync('/etc/passwd', join(source, 'leaving'))
  const run = stage.backend.offer({
    prompt: script([
      bash('cat notes/a.txt project/within; ls project; test -x project/tool.sh && echo runs; echo made > made.txt'),
      bash('ln -s /etc/passwd stolen; mkfifo pipe; echo dot > .hidden; mkdir -p node_modules; touch node_modules/x'),
      { say: 'All done.' },
    ]),
    config: {
      workspace: {
        files: [{ path: 'notes/a.txt', content: 'staged\n' }],
        folder: { host_path: source, path: 'project' },
      },
    },
  })
  const end = await stage.finished(run)
  expect(end).toMatchObject({ outcome: 'completed', result: 'All done.', attempt: 1 })
  expect(run.started).toEqual({ model, sandbox: 'bubblewrap' })
  const stored = storedNumbers(run)
  expect(stored).toEqual(stored.map((_, index) => index + 1))
  const [first] = eventsOf(run, 'tool_result')
  expect(JSON.stringify(first?.output)).toContain('staged\\nfrom the folder\\nsrc\\ntool.sh\\nwithin\\nruns')
  expect(end.usage).toMatchObject({ input_tokens: expect.any(Number), cost_usd: expect.any(Number) })

  if (end.export?.status !== 'ready') throw new Error('the export is not ready')
  const { files, manifest_key, prefix } = end.export
  // Neither links, pipes, dot files nor what a package manager makes.
  expect(files.map(({ path }) => path)).toEqual(['made.txt', 'notes/a.txt', 'project/src/main.txt', 'project/tool.sh'])
  const made = files.find(({ path }) => path === 'made.txt')
  expect(await stage.read(made?.key ?? '')).toBe('made\n')
  expect(prefix).toBe(`workspaces/local/${run.claimed.session_id}/blobs`)
  const manifest = JSON.parse(await stage.read(manifest_key))
  expect(manifest.files[0]).toMatchObject({ path: 'made.txt', size: 5, sha256: made?.sha256, status: 'uploaded' })
  expect(existsSync(join(stage.workspaceOf(run), '.tutti'))).toBe(true)
})

it('the-next-turn-sees-files-and-conversation-and-unchanged-files-are-not-uploaded-again', async () => {
  const first = stage.backend.offer({
    prompt: script([bash('echo one > one.txt; echo two > two.txt'), { say: 'Made.' }]),
  })
  const before = await stage.finished(first)
  const resumed = eventsOf(first, 'started')[0]?.agent_session_id ?? ''
  const second = stage.backend.offer({
    session_id: first.claimed.session_id,
    sdk_session_id: resumed,
    prompt: script([bash('cat one.txt; echo changed > two.txt'), { say_last_result: true }]),
  })
  const after = await stage.finished(second)
  expect(after).toMatchObject({ outcome: 'completed', result: expect.stringContaining('one') })
  expect(eventsOf(second, 'started')[0]?.agent_session_id).toBe(resumed)
  if (before.export?.status !== 'ready' || after.export?.status !== 'ready') throw new Error('an export is not ready')
  const keyOf = (files: { path: string; key: string }[], path: string) => files.find((file) => file.path === path)?.key
  expect(keyOf(after.export.files, 'one.txt')).toBe(keyOf(before.export.files, 'one.txt'))
  expect(keyOf(after.export.files, 'two.txt')).not.toBe(keyOf(before.export.files, 'two.txt'))
  // What an older list promised is still there, unchanged.
  expect(await stage.read(keyOf(before.export.files, 'two.txt') ?? '')).toBe('two\n')
  expect(await stage.read(keyOf(after.export.files, 'two.txt') ?? '')).toBe('changed\n')
})

it('provider-key-never-inside, agent-has-no-network, agent-cant-read-host-home-or-project-secrets', async () => {
  const secret = `project-secret-${Math.random()}`
  writeFileSync(join(stage.root, '.env'), secret)
  process.env.TUTTI_TEST_SECRET = secret
  const look = [
    // Spelled apart, so that the search does not find itself.
    `k1=${providerKey.slice(0, 12)}; k2=${providerKey.slice(12)}; s1=${secret.slice(0, 10)}; s2=${secret.slice(10)}`,
    'echo "env:$(env | grep -c -e "$k1$k2" -e "$s1$s2")"',
    // Sought by a file of patterns: on grep's own command line the search would find itself.
    'echo "proc:$(cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr "\\0" "\\n" | grep -c -f <(printf "%s\\n" "$k1$k2" "$s1$s2"))"',
    'echo "token:$(cat /proc/*/environ 2>/dev/null | tr "\\0" "\\n" | grep -c "^TUTTI_RELAY_TOKEN=[^@]")"',
    'echo "files:$(grep -rlsI -e "$k1$k2" -e "$s1$s2" /opt/tutti/apps /opt/tutti/packages /etc /run /home /tmp . | grep -vc "^./.tutti/")"',
    `echo "roots:$(ls -a /root ${stage.root} ${process.cwd()} 2>/dev/null | wc -l)"`,
    'echo "opt:$(ls -A /opt/tutti | tr "\\n" " ")"',
    'echo "net:$(ls /sys/class/net 2>/dev/null | grep -vc "^lo$")"',
    'curl -s -m 2 http://1.1.1.1/ >/dev/null 2>&1; echo "curl:$?"',
    "node -e \"require('net').connect(80, '1.1.1.1').on('error', e => console.log('node:' + e.code))\"",
  ].join('\n')
  const run = stage.backend.offer({ prompt: script([bash(look), { say_last_result: true }]) })
  const end = await stage.finished(run)
  delete process.env.TUTTI_TEST_SECRET
  const said = (end.result ?? '').split('\n')
  expect(said).toEqual(expect.arrayContaining(['env:0', 'proc:0', 'token:0', 'files:0', 'roots:0', 'net:0']))
  expect(said).toContain('opt:apps node_modules packages ')
  expect(said).not.toContain('curl:0')
  expect(said.find((line) => line.startsWith('node:'))).toMatch(/ENETUNREACH|EPERM|EACCES/)
})

it('symlink-in-workspace-is-not-exported-nor-written-through', async () => {
  const outside = join(stage.root, 'outside.txt')
  writeFileSync(outside, 'untouched')
  const first = stage.backend.offer({
    prompt: script([bash(`mkdir d; ln -s ${outside} d/f; ln -s /etc e; ln -s ${outside} .tutti-x; echo ok > ok.txt`)]),
  })
  expect((await stage.finished(first)).export).toMatchObject({ status: 'ready', files: [{ path: 'ok.txt' }] })
  // A link where a file is staged is replaced; a link where a folder is needed is refused.
  const second = stage.backend.offer({
    session_id: first.claimed.session_id,
    prompt: script([{ say: 'Fine.' }]),
    config: { workspace: { files: [{ path: 'd/f', content: 'mine' }] } },
  })
  expect(await stage.finished(second)).toMatchObject({ outcome: 'completed' })
  expect(readFileSync(outside, 'utf8')).toBe('untouched')
  expect(lstatSync(join(stage.workspaceOf(first), 'd/f')).isFile()).toBe(true)
  const third = stage.backend.offer({
    session_id: first.claimed.session_id,
    config: { workspace: { files: [{ path: 'e/passwd', content: 'mine' }] } },
  })
  expect(await stage.finished(third)).toMatchObject({
    outcome: 'failed',
    error: { code: 'STAGED_PATH_REFUSED', retryable: false },
  })
  expect(third.started).toBeNull()
})
