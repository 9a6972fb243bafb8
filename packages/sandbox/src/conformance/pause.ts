import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { processesWith, type Rig, SMALL, unique, until } from './rig.ts'

/** Writes a line every few milliseconds, from three processes. */
const TICKING = `$| = 1; fork; fork; open F, '>>', 'ticks'; select F; $| = 1; while (1) { print "x\\n"; select undef, undef, undef, 0.005 }`

export function pausing(rig: () => Rig): void {
  describe('pausing', () => {
    const size = (workspace: string) => statSync(join(workspace, 'ticks'), { throwIfNoEntry: false })?.size ?? 0

    it('a-paused-sandbox-does-nothing-and-a-resumed-one-goes-on', async () => {
      const workspace = rig().dir('workspace')
      const word = unique('ticking')
      const sandbox = await rig().start(['perl', '-e', TICKING, word], { workspace })
      await until(() => processesWith(word).length >= 4 && size(workspace) > 100)
      await Promise.all([sandbox.pause(), sandbox.pause()])
      const [before, members] = [size(workspace), processesWith(word)]
      await delay(100)
      expect(size(workspace)).toBe(before)
      expect(processesWith(word)).toEqual(members)
      await sandbox.resume()
      await until(() => size(workspace) > before)
      // As often as wanted, and one after the other.
      await Promise.all([sandbox.pause(), sandbox.resume(), sandbox.pause(), sandbox.resume()])
      const after = size(workspace)
      await until(() => size(workspace) > after)
      await sandbox.kill()
      expect(readFileSync(join(workspace, 'ticks'), 'utf8')).toMatch(/^(x\n)+$/)
    })

    it('a-shell-that-starts-one-program-after-the-other-stands-still-at-once', async () => {
      const sandbox = await rig().start(['sh', '-c', 'while :; do /bin/true; done'])
      // Often enough to meet the instant between vfork and exec, in which the shell takes no signal.
      for (let n = 0; n < 30; n++) {
        const began = performance.now()
        await sandbox.pause()
        expect(performance.now() - began).toBeLessThan(4_000)
        await sandbox.resume()
        await delay(n % 5)
      }
      await sandbox.kill()
    })

    it('a-paused-sandbox-can-be-ended', async () => {
      const word = unique('paused')
      const sandbox = await rig().start(['perl', '-e', 'fork; sleep 1 while 1', word])
      await until(() => processesWith(word).length >= 2)
      await sandbox.pause()
      await sandbox.kill()
      expect(processesWith(word)).toEqual([])
      expect(await sandbox.exited).toMatchObject({ code: null, reason: 'killed' })
      await sandbox.pause()
      await sandbox.resume()
    })

    it('the-disk-limit-holds-again-after-a-pause', async () => {
      const fill =
        'until [ -e go ]; do sleep 0.05; done; for i in $(seq 40); do head -c 16M /dev/zero >f$i; done; sleep 600'
      const workspace = rig().dir('workspace')
      const sandbox = await rig().start(['sh', '-c', fill], {
        workspace,
        limits: { ...SMALL, diskBytes: 64 * 1024 ** 2 },
      })
      await sandbox.pause()
      await delay(600)
      writeFileSync(join(workspace, 'go'), '')
      await sandbox.resume()
      expect(await sandbox.exited).toMatchObject({ reason: 'disk' })
    })

    it('wall-time-ends-a-paused-sandbox', async () => {
      const sandbox = await rig().start(['sleep', '600'], { limits: { ...SMALL, wallMs: 400 } })
      await sandbox.pause()
      expect(await sandbox.exited).toMatchObject({ reason: 'time' })
    })
  })
}
