import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AS_ROOT, NODE, outside, type Rig, unique, until } from './rig.ts'

export function privileges(rig: () => Rig): void {
  describe('privileges', () => {
    it('proc-shows-only-own-processes-and-no-environment-of-the-host', async () => {
      const secret = unique('host-secret')
      process.env.SANDBOX_SUITE_SECRET = secret
      const look = `const fs = require('fs'); const pids = fs.readdirSync('/proc').filter((n) => /^\\d+$/.test(n))
        let all = ''; for (const p of pids) for (const f of ['environ', 'cmdline']) try { all += fs.readFileSync('/proc/' + p + '/' + f) } catch {}
        console.log(pids.length, all.includes('MARK'), all.includes(process.argv[1] + 'x'))`
      const { stdout } = await rig().run([NODE, '-e', look, secret], { env: { MARK: '1' } })
      delete process.env.SANDBOX_SUITE_SECRET
      // bwrap's init and node; its own environment shows that the look works.
      expect(stdout.trim()).toMatch(/^[23] true false$/)
      const pids = await outside(['sh', '-c', 'ls /proc | grep -c "^[0-9]"'])
      expect(Number(pids.stdout)).toBeGreaterThan(3)
    })

    it('host-processes-can-be-neither-signalled-nor-traced', async () => {
      const victim = spawn('sleep', ['600'])
      const attack = `print kill(0, $ARGV[0]) ? 'reached' : 'unreached'; print ' ', syscall(101, 16, $ARGV[0], 0, 0) == 0 ? 'traced' : 'untraced';
        system('kill -9 -1'); kill 9, $ARGV[0]`
      expect((await outside(['perl', '-e', 'print kill(0, $ARGV[0])', String(victim.pid)])).stdout).toBe('1')
      const { stdout } = await rig().run(['perl', '-e', `$| = 1; ${attack}`, String(victim.pid)])
      expect(stdout).toBe('unreached untraced')
      expect(victim.kill(0)).toBe(true)
      victim.kill('SIGKILL')
    })

    it('no-capability-no-mount-no-root', async () => {
      const { stdout } = await rig().run([
        'sh',
        '-c',
        `grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status
         for attack in 'mount -t tmpfs none /tmp' 'mount --bind /usr /tmp' 'umount /proc' 'chroot /' 'unshare -U true' 'unshare -m true' \
           'unshare -Ur mount -t proc none /tmp' 'nsenter -t 1 -m true' 'hostname other' 'su -c true' 'dmesg' \
           'perl -e $<=$>=0;exit($>?1:0)' 'sysctl -w kernel.hostname=x' 'renice -n -5 1'; do
           $attack >/dev/null 2>&1 && echo "worked: $attack"
         done; true && echo "worked: control"`,
      ])
      expect(stdout).toMatch(/CapPrm:\s+0000000000000000/)
      expect(stdout).toMatch(/CapEff:\s+0000000000000000/)
      expect(stdout).toMatch(/CapBnd:\s+0000000000000000/)
      expect(stdout).toMatch(/CapAmb:\s+0000000000000000/)
      expect(stdout).toMatch(/NoNewPrivs:\s+1/)
      expect(stdout).toMatch(/Seccomp:\s+2/)
      expect(stdout.match(/worked: .*/g)).toEqual(['worked: control'])
    })

    it.runIf(AS_ROOT)('a-setuid-root-program-gives-nothing', async () => {
      const dir = rig().dir('setuid')
      chmodSync(dir, 0o755)
      chmodSync(rig().root, 0o711)
      copyFileSync('/usr/bin/id', join(dir, 'id'))
      chmodSync(join(dir, 'id'), 0o4755)
      const asNobody = execFileSync(join(dir, 'id'), ['-u'], { uid: 65534, gid: 65534, encoding: 'utf8' })
      expect(asNobody.trim()).toBe('0')
      const { stdout } = await rig().run(['/opt/setuid/id', '-u'], { readOnly: [{ from: dir, to: '/opt/setuid' }] })
      expect(Number(stdout)).toBeGreaterThan(0)
    })

    it.runIf(AS_ROOT)('each-live-sandbox-is-another-unprivileged-user-of-the-host', async () => {
      const uids = await Promise.all(
        ['one', 'two', 'three'].map(async () => {
          const workspace = rig().dir('workspace')
          const sandbox = await rig().start(['sh', '-c', 'touch mine; exec sleep 600'], { workspace })
          const uid = await until(() => statSync(join(workspace, 'mine'), { throwIfNoEntry: false })?.uid)
          return { uid, sandbox }
        }),
      )
      expect(new Set(uids.map(({ uid }) => uid)).size).toBe(3)
      expect(uids.every(({ uid }) => uid > 0)).toBe(true)
      await Promise.all(uids.map(({ sandbox }) => sandbox.kill()))
    })

    it('a-preloaded-library-in-the-environment-meets-no-privileged-program', async () => {
      // Were the environment set before rights are dropped, the loader would complain once per program of the launch.
      const { stderr } = await rig().run([NODE, '-e', '0'], { env: { LD_PRELOAD: '/workspace/evil.so' } })
      expect(stderr.match(/evil\.so/g)).toHaveLength(1)
    })

    it('the-agents-runtime-finds-a-user-a-home-and-certificates', async () => {
      const look = `const os = require('os'), fs = require('fs'); console.log(os.userInfo().username, os.homedir(), os.tmpdir(), process.cwd(),
        os.hostname(), fs.statSync(os.homedir()).uid === process.getuid(), fs.existsSync('/etc/ssl/certs'))`
      const { stdout } = await rig().run([NODE, '-e', look])
      const certificates =
        realpathSync('/etc') === '/etc' && statSync('/etc/ssl/certs', { throwIfNoEntry: false }) !== undefined
      expect(stdout.trim()).toBe(`agent /home/agent /tmp /workspace sandbox true ${certificates}`)
    })
  })
}
