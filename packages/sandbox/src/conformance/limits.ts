import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { NODE, type Rig, SMALL, unique, until } from './rig.ts'

const MIB = 1024 * 1024
/** Every attack is bounded by itself too and then holds on to what it took, so that only the limit can end it. */
const HOLD = 'sleep 1 while 1;'
const takeMemory = (mib: number) => `my @x; for (1..${mib}) { push @x, 'a' x ${MIB} } `

export function limits(rig: () => Rig, isolates: boolean): void {
  describe('limits', () => {
    it('one-process-over-the-memory-limit-ends-the-sandbox', async () => {
      const hog = await rig().run(['perl', '-e', `${takeMemory(1000)} ${HOLD}`])
      expect(hog).toMatchObject({ reason: 'memory', code: null })
      const modest = await rig().run(['perl', '-e', takeMemory(64)])
      expect(modest).toMatchObject({ reason: 'exit', code: 0 })
    })

    it('many-processes-together-over-the-memory-limit-end-the-sandbox', async () => {
      // 8 x 64 MiB over a limit of 256 MiB, none of them near it alone.
      const children = (count: number, then: string) =>
        `for (1..${count}) { next if fork; ${takeMemory(64)} ${then} exit } 1 while wait > 0;`
      expect(await rig().run(['perl', '-e', children(8, HOLD)])).toMatchObject({ reason: 'memory' })
      expect(await rig().run(['perl', '-e', children(2, '')])).toMatchObject({ reason: 'exit', code: 0 })
    })

    it('a-workspace-filled-with-many-files-ends-the-sandbox', async () => {
      const fill = `const fs = require('fs'), b = Buffer.alloc(4 << 20, 1); for (let i = 0; i < 200; i++) fs.writeFileSync('f' + i, b); setInterval(() => {}, 1e6)`
      const run = await rig().run([NODE, '-e', fill], { limits: { ...SMALL, diskBytes: 64 * MIB } })
      expect(run.reason).toBe('disk')
      const modest = await rig().run([NODE, '-e', `require('fs').writeFileSync('f', Buffer.alloc(${8 * MIB}))`], {
        limits: { ...SMALL, diskBytes: 64 * MIB },
      })
      expect(modest).toMatchObject({ reason: 'exit', code: 0 })
    })

    it('wall-time-ends-the-sandbox', async () => {
      expect(await rig().run(['sleep', '600'], { limits: { ...SMALL, wallMs: 200 } })).toMatchObject({ reason: 'time' })
    })

    it('cpu-time-of-several-processes-together-ends-the-sandbox', async () => {
      const burn = 'for (1..2) { next if fork; 1 while 1 } 1 while wait > 0'
      const run = await rig().run(['perl', '-e', burn], { limits: { ...SMALL, cpuSeconds: 1 } })
      expect(run.reason).toBe('time')
    })

    it('output-that-nobody-reads-holds-nothing-back', async () => {
      const sandbox = await rig().start(['sh', '-c', `head -c ${40 * MIB} /dev/zero; echo done >&2`])
      expect(await sandbox.exited).toMatchObject({ code: 0 })
      let bytes = 0
      let told = false
      for await (const chunk of sandbox.stdout) {
        bytes += chunk.length
        told ||= String(chunk).includes('bytes of output dropped')
      }
      expect(bytes).toBeLessThanOrEqual(2 * MIB)
      expect(told).toBe(true)
    })

    it('usage-tells-memory-processes-and-disk', async () => {
      const program = `${takeMemory(32)} system('head -c ${8 * MIB} /dev/zero >file'); fork; print "ready\\n"; ${HOLD}`
      const sandbox = await rig().start(['perl', '-e', `$| = 1; ${program}`])
      await until(() => String(sandbox.stdout.read() ?? '').includes('ready'))
      const usage = await until(async () => {
        const now = await sandbox.usage()
        expect(await sandbox.memoryBytes()).toBeLessThanOrEqual(2 * now.rssBytes + 2 ** 20)
        return now.processes >= 2 && now
      })
      expect(usage.rssBytes).toBeGreaterThan(32 * MIB)
      expect(usage.workspaceBytes).toBeGreaterThanOrEqual(8 * MIB)
      await sandbox.kill()
    })
    if (isolates) isolated(rig)
  })
}

function isolated(rig: () => Rig): void {
  it('forks-past-the-limit-fail-inside', async () => {
    const forks = (count: number) =>
      `my $n = 0; for (1..${count}) { my $p = fork; last unless defined $p; if (!$p) { ${HOLD} } $n++ } print $n; kill 9, -$$`
    const bomb = await rig().run(['perl', '-e', `$| = 1; ${forks(300)}`])
    expect(Number(bomb.stdout)).toBeGreaterThan(30)
    expect(Number(bomb.stdout)).toBeLessThanOrEqual(64)
    const control = await rig().run(['perl', '-e', `$| = 1; ${forks(300)}`], { limits: { ...SMALL, processes: 400 } })
    expect(Number(control.stdout)).toBe(300)
  })

  it('a-fork-bomb-stays-inside-and-can-be-ended', async () => {
    const bomb = await rig().start(['perl', '-e', 'for (1..20000) { fork } sleep 1 while 1', unique('bomb')])
    await until(async () => (await bomb.usage()).processes > 50)
    // The host still starts processes, and the bomb never gets past its limit and bwrap's two.
    for (let look = 0; look < 5; look++) {
      expect(spawnSync('true').status).toBe(0)
      expect((await bomb.usage()).processes).toBeLessThanOrEqual(66)
      await delay(1)
    }
    await bomb.kill()
    expect((await bomb.usage()).processes).toBe(0)
  })

  it('files-in-memory-count-as-memory', async () => {
    const fill = 'for d in /tmp /home/agent /dev/shm; do head -c 60M /dev/zero >$d/f; done; sleep 600'
    const given = { ...SMALL, memoryBytes: 128 * MIB, tmpBytes: 100 * MIB, homeBytes: 100 * MIB }
    expect(await rig().run(['sh', '-c', fill], { limits: given })).toMatchObject({ reason: 'memory' })
  })

  it('scratch-is-no-larger-than-asked', async () => {
    const fill = 'for d in /tmp /home/agent; do head -c 50M /dev/zero >$d/f || stat -c %s $d/f; done'
    const given = { ...SMALL, tmpBytes: 8 * MIB, homeBytes: 8 * MIB }
    const { stdout } = await rig().run(['sh', '-c', fill], { limits: given })
    expect(stdout.trim().split('\n').map(Number)).toEqual([8 * MIB, 8 * MIB])
  })

  it('one-file-larger-than-the-disk-limit-ends-the-sandbox', async () => {
    const workspace = rig().dir('workspace')
    const run = await rig().run(['sh', '-c', 'head -c 200M /dev/zero >big; exec sleep 600'], {
      ...{ workspace, limits: { ...SMALL, diskBytes: 16 * MIB } },
    })
    expect(run.reason).toBe('disk')
    expect(readdirSync(workspace)).toEqual(['big'])
  })

  it('deleted-files-that-are-still-open-count-as-disk', async () => {
    const fill = `for (1..12) { open my $f, '>', "f$_"; print $f 'a' x ${2 * MIB}; $f->flush; unlink "f$_"; push @f, $f } ${HOLD}`
    const run = await rig().run(['perl', '-MIO::Handle', '-e', fill], { limits: { ...SMALL, diskBytes: 16 * MIB } })
    expect(run.reason).toBe('disk')
  })

  it('a-file-too-deep-to-name-counts-as-disk', async () => {
    const fill = `for (1..60) { mkdir 'd' x 200; chdir 'd' x 200 } open F, '>', 'f' or die; print F 'a' x ${10 * MIB}; close F;
      open F, '>', 'g' or die; print F 'a' x ${10 * MIB}; close F; ${HOLD}`
    const run = await rig().run(['perl', '-e', fill], { limits: { ...SMALL, diskBytes: 16 * MIB } })
    expect(run.reason).toBe('disk')
  })

  it('a-workspace-of-countless-empty-files-ends-the-sandbox', async () => {
    const fill = `for (1..3000) { open F, '>', "f$_" } ${HOLD}`
    expect((await rig().run(['perl', '-e', fill], { limits: { ...SMALL, files: 2000 } })).reason).toBe('disk')
    const modest = await rig().run(['perl', '-e', fill.replace(HOLD, '')], { limits: { ...SMALL, files: 4000 } })
    expect(modest).toMatchObject({ reason: 'exit', code: 0 })
  })

  it('open-files-are-limited', async () => {
    const open = 'while (open my $f, "<", "/dev/null") { push @f, $f } print scalar @f'
    const { stdout } = await rig().run(['perl', '-e', open], { limits: { ...SMALL, openFiles: 64 } })
    expect(Number(stdout)).toBeGreaterThan(40)
    expect(Number(stdout)).toBeLessThan(64)
  })
}
