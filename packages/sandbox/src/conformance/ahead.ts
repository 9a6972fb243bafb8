import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { finishTakingPlace } from '../host/take-place.ts'
import { AS_ROOT, ended, type Rig, SMALL, until } from './rig.ts'

/** Says what it sees, and once more when it is told to go on. */
const LOOKING = 'ls -A; echo --; until [ -e go ]; do sleep 0.01; done; ls -A; cat given/file; echo made >made; ls -A /'

export function ahead(rig: () => Rig): void {
  describe('starting ahead', () => {
    const able = () => rig().driver.ahead

    it('a-driver-that-cannot-says-so', async () => {
      if (able()) return
      await expect(rig().start(['true'], { ahead: true })).rejects.toThrow(/cannot be started ahead/)
      const sandbox = await rig().start(['sleep', '600'])
      await expect(sandbox.bind({ workspace: rig().dir('workspace') })).rejects.toThrow(/has its workspace/)
      await sandbox.kill()
    })

    it('it-sees-nothing-before-it-is-bound-and-its-workspace-afterwards', async () => {
      if (!able()) return
      const [own, workspace] = [rig().dir('own'), rig().dir('workspace')]
      mkdirSync(join(workspace, 'given'))
      writeFileSync(join(workspace, 'given', 'file'), 'content\n')
      const sandbox = await rig().start(['sh', '-c', LOOKING], { workspace: own, ahead: true })
      let said = ''
      sandbox.stdout.on('data', (chunk) => {
        said += chunk
      })
      await until(() => said.includes('--\n'))
      await sandbox.bind({ workspace, labels: { session_id: 'one' } })
      // Bound, and still at rest.
      writeFileSync(join(workspace, 'go'), '')
      await delay(50)
      expect(existsSync(join(workspace, 'made'))).toBe(false)
      expect(existsSync(own)).toBe(false)
      await sandbox.resume()
      expect(await sandbox.exited).toMatchObject({ code: 0 })
      const [before, after = ''] = said.split('--\n')
      expect(before).toBe('')
      expect(after).toMatch(/^given\ngo\ncontent\n/)
      expect(after).not.toContain(rig().root)
      expect(readFileSync(join(workspace, 'made'), 'utf8')).toBe('made\n')
      expect(readdirSync(join(workspace, '..')).filter((name) => name.endsWith('.incoming'))).toEqual([])
    })

    it('it-works-in-one-workspace-in-its-life', async () => {
      if (!able()) return
      const sandbox = await rig().start(['sleep', '600'], { workspace: rig().dir('own'), ahead: true })
      await sandbox.bind({ workspace: rig().dir('workspace') })
      await expect(sandbox.bind({ workspace: rig().dir('workspace') })).rejects.toThrow(/has its workspace/)
      const usual = await rig().start(['sleep', '600'])
      await expect(usual.bind({ workspace: rig().dir('workspace') })).rejects.toThrow(/has its workspace/)
      await Promise.all([sandbox.kill(), usual.kill()])
    })

    it('two-are-never-bound-to-one-workspace', async () => {
      if (!able()) return
      const workspace = rig().dir('workspace')
      const [one, two] = await Promise.all(
        ['one', 'two'].map((name) => rig().start(['sleep', '600'], { workspace: rig().dir(name), ahead: true })),
      )
      await one?.bind({ workspace })
      await expect(two?.bind({ workspace })).rejects.toThrow(/is in use by/)
      await expect(rig().start(['true'], { workspace })).rejects.toThrow(/is in use by/)
      await Promise.all([one?.kill(), two?.kill()])
      expect(await rig().run(['true'], { workspace })).toMatchObject({ code: 0 })
    })

    it('one-is-not-bound-to-the-host-nor-to-what-is-not-there', async () => {
      if (!able()) return
      for (const workspace of ['/etc', join(rig().root, 'nowhere')]) {
        const sandbox = await rig().start(['sleep', '600'], { workspace: rig().dir('own'), ahead: true })
        await expect(sandbox.bind({ workspace })).rejects.toThrow(/cannot be/)
        await sandbox.kill()
      }
    })

    it('of-two-files-of-one-name-the-workspaces-stays-and-no-link-is-followed', async () => {
      if (!able()) return
      const [own, workspace, elsewhere] = [rig().dir('own'), rig().dir('workspace'), rig().dir('elsewhere')]
      writeFileSync(join(elsewhere, 'file'), 'untouched')
      const owner = statSync(join(elsewhere, 'file')).uid
      const sandbox = await rig().start(['sh', '-c', 'mkdir both; echo own >both/own; echo own >one; exec sleep 600'], {
        ...{ workspace: own, ahead: true },
      })
      await until(() => existsSync(join(own, 'one')))
      symlinkSync(elsewhere, join(workspace, 'both'))
      await sandbox.bind({ workspace })
      expect(readdirSync(workspace).sort()).toEqual(['both', 'one'])
      expect(readFileSync(join(elsewhere, 'file'), 'utf8')).toBe('untouched')
      expect(statSync(join(elsewhere, 'file')).uid).toBe(owner)
      await sandbox.kill()
    })

    it('a-binding-that-was-broken-off-is-finished-by-the-next-process', async () => {
      const [own, workspace] = [rig().dir('own'), rig().dir('workspace')]
      for (const name of ['a', 'b']) writeFileSync(join(workspace, name), name)
      writeFileSync(join(own, 'b'), 'own')
      // As the process that was killed between two files has left it.
      renameSync(own, `${workspace}.incoming`)
      renameSync(join(workspace, 'a'), join(`${workspace}.incoming`, 'a'))
      await finishTakingPlace(workspace)
      await finishTakingPlace(workspace)
      expect(readdirSync(workspace).map((name) => readFileSync(join(workspace, name), 'utf8'))).toEqual(['a', 'b'])
      expect(existsSync(`${workspace}.incoming`)).toBe(false)
    })

    it('the-disk-limit-counts-what-it-was-bound-to', async () => {
      if (!able()) return
      const workspace = rig().dir('workspace')
      const fill = 'until [ -e go ]; do sleep 0.01; done; head -c 40M /dev/zero >f; exec sleep 600'
      writeFileSync(join(workspace, 'before'), Buffer.alloc(40 * 1024 ** 2, 1))
      writeFileSync(join(workspace, 'go'), '')
      const limits = { ...SMALL, diskBytes: 64 * 1024 ** 2 }
      const sandbox = await rig().start(['sh', '-c', fill], { workspace: rig().dir('own'), ahead: true, limits })
      await sandbox.bind({ workspace })
      expect((await sandbox.usage()).workspaceBytes).toBeGreaterThan(40 * 1024 ** 2)
      await sandbox.resume()
      expect(await sandbox.exited).toMatchObject({ reason: 'disk' })
    })

    it('wall-time-counts-from-the-binding', async () => {
      if (!able()) return
      const limits = { ...SMALL, wallMs: 300 }
      const sandbox = await rig().start(['sleep', '600'], { workspace: rig().dir('own'), ahead: true, limits })
      await delay(500)
      await sandbox.bind({ workspace: rig().dir('workspace') })
      await sandbox.resume()
      expect(await sandbox.exited).toMatchObject({ reason: 'time' })
    })

    it('one-that-waits-does-not-outlive-its-manager', async () => {
      if (!able()) return
      const spec = rig().spec(['sleep', '600'], { workspace: rig().dir('own'), ahead: true })
      const manager = await rig().manager(spec)
      manager.kill('SIGKILL')
      await ended(manager)
      await rig().driver.reap()
      const pid = Number(manager.said.pid)
      await until(() => !existsSync(`/proc/${pid}`))
      if (AS_ROOT) expect(readdirSync(join(rig().stateDir, 'users'))).toEqual([])
    })
  })
}
