import { rmSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { SandboxError } from '../error.ts'
import { ended, NODE, processesWith, type Rig, SMALL, unique, until } from './rig.ts'

/** Three daemons, forked twice, deaf to signals, and a leader that is deaf too. */
const DEAF = `$SIG{$_} = 'IGNORE' for qw(TERM INT HUP QUIT);
  for (1..3) { next if fork; if (!fork) { setpgrp; sleep 1 while 1 } sleep 1 while 1 }`

export function lifetime(rig: () => Rig, isolates: boolean): void {
  describe('lifetime', () => {
    it('exit-code-output-and-arguments-come-through', async () => {
      const run = await rig().run(['sh', '-c', 'echo "$1"; echo bad >&2; cat; exit 7', 'sh', `it's "quoted" $HOME`])
      expect(run).toEqual({ code: 7, signal: null, reason: 'exit', stdout: `it's "quoted" $HOME\n`, stderr: 'bad\n' })
    })

    it('the-environment-is-what-was-given', async () => {
      process.env.SANDBOX_SUITE_LEAK = 'leak'
      const env = { PLAIN: 'a', QUOTED: `it's $HOME "x" \\ \`id\``, LINES: 'one\ntwo\n', EMPTY: '', TMPDIR: '/tmp/own' }
      const { stdout } = await rig().run([NODE, '-e', 'console.log(JSON.stringify(process.env))'], { env })
      delete process.env.SANDBOX_SUITE_LEAK
      const { PWD: _pwd, ...seen } = JSON.parse(stdout)
      expect(seen).toMatchObject(env)
      expect(Object.keys(seen).sort()).toEqual([...Object.keys(env), 'HOME', 'LANG', 'PATH'].sort())
    })

    it('a-start-that-cannot-work-says-why-and-leaves-nothing', async () => {
      const bad = [
        { id: '../escape' },
        { id: unique('x'), workspace: '/usr' },
        { id: unique('x'), workspace: '/' },
        { id: unique('x'), workspace: '/nonexistent' },
        { id: unique('x'), readOnly: [{ from: '/nonexistent', to: '/opt/x' }] },
        { id: unique('x'), readOnly: [{ from: '/usr', to: '/usr/local' }] },
        { id: unique('x'), readOnly: [{ from: '/usr', to: '/opt/../proc' }] },
        { id: unique('x'), readOnly: [{ from: '/usr', to: '/workspace/link/x' }] },
        { id: unique('x'), env: { 'A=B': 'c' } },
        { id: unique('x'), limits: { ...SMALL, processes: 0 } },
      ]
      for (const more of bad) await expect(rig().start(['true'], more)).rejects.toThrow(SandboxError)
      expect(await rig().run(['true'], { id: unique('x') })).toMatchObject({ code: 0 })
    })

    it('kill-ends-a-tree-that-ignores-signals', async () => {
      const word = unique('deaf')
      const sandbox = await rig().start(['perl', '-e', `${DEAF} sleep 1 while 1`, word])
      await until(() => processesWith(word).length >= 7)
      await Promise.all([sandbox.kill(), sandbox.kill()])
      expect(processesWith(word)).toEqual([])
      expect(await sandbox.exited).toEqual({ code: null, signal: 'SIGKILL', reason: 'killed' })
      await sandbox.kill()
      expect(await sandbox.usage()).toMatchObject({ processes: 0, rssBytes: 0 })
    })

    it('kill-at-once-after-start-resolves', async () => {
      const word = unique('brief')
      const sandboxes = await Promise.all([1, 2, 3].map(() => rig().start(['perl', '-e', 'sleep 1 while 1', word])))
      await Promise.all(sandboxes.map((sandbox) => sandbox.kill()))
      expect(processesWith(word)).toEqual([])
    })

    it('daemons-do-not-outlive-the-command', async () => {
      const word = unique('left')
      const run = await rig().run([
        'perl',
        '-e',
        `${DEAF} $SIG{ALRM} = sub { exit 3 }; select undef, undef, undef, 0.3; exit 3`,
        word,
      ])
      expect(run).toMatchObject({ code: 3, reason: 'exit' })
      expect(processesWith(word)).toEqual([])
    })
    if (isolates) isolated(rig)
  })
}

function isolated(rig: () => Rig): void {
  it('an-id-is-taken-while-its-sandbox-lives', async () => {
    const id = unique('same')
    const workspace = rig().dir('workspace')
    const first = await rig().start(['sleep', '600'], { id, workspace })
    await expect(rig().start(['true'], { id })).rejects.toThrow(/already runs/)
    await expect(rig().start(['true'], { workspace })).rejects.toThrow(/in use by/)
    await first.kill()
    expect(await rig().run(['true'], { id })).toMatchObject({ code: 0 })
  })

  it('a-manager-killed-with-signal-9-leaves-no-process', async () => {
    const word = unique('orphan')
    const manager = await rig().manager(rig().spec(['perl', '-e', `${DEAF} sleep 1 while 1`, word]))
    await until(() => processesWith(word).length >= 7)
    manager.kill('SIGKILL')
    await ended(manager)
    await until(() => processesWith(word).length === 0)
    await rig().driver.reap()
  })

  it('an-id-that-lives-in-another-process-is-refused-and-left-alone', async () => {
    const spec = rig().spec(['sleep', '600'], { id: unique('theirs') })
    const manager = await rig().manager(spec)
    await expect(rig().start(['true'], { id: spec.id })).rejects.toThrow(/already runs/)
    manager.kill('SIGKILL')
    await ended(manager)
    expect(await rig().driver.reap()).toEqual([spec.id])
  })

  it('reap-forgets-sandboxes-of-a-killed-manager-and-spares-those-of-a-live-one', async () => {
    const dead = rig().spec(['sleep', '600'])
    const alive = rig().spec(['sleep', '600', '0'])
    const [killed, living] = [await rig().manager(dead), await rig().manager(alive)]
    const own = await rig().start(['sleep', '600'])
    killed.kill('SIGKILL')
    await ended(killed)
    expect(await rig().driver.reap()).toEqual([dead.id])
    expect(await rig().driver.reap()).toEqual([])
    expect((await own.usage()).processes).toBeGreaterThan(0)
    expect(living.exitCode).toBe(null)
    // What was reaped can be used again at once.
    expect(await rig().run(['true'], { id: dead.id, workspace: dead.workspace })).toMatchObject({ code: 0 })
    living.kill('SIGKILL')
    await ended(living)
    expect(await rig().driver.reap()).toEqual([alive.id])
    await own.kill()
    rmSync(dead.workspace, { recursive: true })
  })
}
