import { readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AS_ROOT, ended, NODE, outside, type Rig, unique } from './rig.ts'

/** Prints which of the given paths can be read. */
const READ = `const fs = require('fs'); for (const p of process.argv.slice(1)) try {
  fs.statSync(p).isDirectory() ? fs.readdirSync(p) : fs.readFileSync(p); console.log(p) } catch {}`
/** Prints in which of the given directories a file can be made. */
const WRITE = `const fs = require('fs'); for (const p of process.argv.slice(1)) try {
  fs.writeFileSync(p + '/made-by-an-attack', 'x'); fs.unlinkSync(p + '/made-by-an-attack'); console.log(p) } catch {}`

const lines = (text: string) => text.split('\n').filter(Boolean)

export function files(rig: () => Rig, isolates: boolean): void {
  describe('files', () => {
    it('what-the-sandbox-writes-the-host-reads-and-removes', async () => {
      const workspace = rig().dir('workspace')
      const script = 'umask 077; mkdir deep; echo kept >deep/file; echo more >>/workspace/given'
      writeFileSync(join(workspace, 'given'), 'given\n')
      const command = isolates ? script : script.replace('/workspace', '.')
      expect(await rig().run(['sh', '-c', command], { workspace })).toMatchObject({ code: 0, reason: 'exit' })
      expect(readFileSync(join(workspace, 'deep/file'), 'utf8')).toBe('kept\n')
      expect(readFileSync(join(workspace, 'given'), 'utf8')).toBe('given\nmore\n')
      // A later sandbox of the same workspace goes on with these files.
      const later = await rig().run(['sh', '-c', 'cat deep/file; rm deep/file'], { workspace })
      expect(later).toMatchObject({ code: 0, stdout: 'kept\n' })
      rmSync(workspace, { recursive: true })
    })
    if (isolates) isolated(rig)
  })
}

function isolated(rig: () => Rig): void {
  it('home-project-secrets-and-other-workspaces-cannot-be-read', async () => {
    const other = rig().dir('other-workspace')
    writeFileSync(join(other, 'secret'), 'secret')
    const tmp = join(tmpdir(), unique('secret'))
    writeFileSync(tmp, 'secret')
    const paths = [homedir(), process.cwd(), import.meta.dirname, rig().stateDir, join(other, 'secret'), tmp]
    const wanted = [...paths, ...(AS_ROOT ? ['/root', '/etc/shadow'] : [])]
    expect(lines((await outside([NODE, '-e', READ, ...wanted])).stdout)).toEqual(wanted)
    expect((await rig().run([NODE, '-e', READ, ...wanted, '/proc/1/root/root'])).stdout).toBe('')
    expect(lines((await rig().run([NODE, '-e', READ, '/usr/bin', '/workspace'])).stdout)).toHaveLength(2)
    rmSync(tmp)
  })

  it('only-the-workspace-and-private-scratch-can-be-written', async () => {
    const code = rig().dir('code')
    const open = ['/workspace', '/tmp', '/home/agent', '/dev/shm']
    const shut = ['/', '/usr', '/etc', '/etc/ssl', '/dev', '/proc', '/opt', '/opt/code', '/run', '/var', '/root']
    const run = await rig().run([NODE, '-e', WRITE, ...shut, ...open], {
      readOnly: [...rig().spec([]).readOnly, { from: code, to: '/opt/code' }],
    })
    expect(lines(run.stdout)).toEqual(open)
    if (AS_ROOT) expect(lines((await outside([NODE, '-e', WRITE, code, '/usr'])).stdout)).toEqual([code, '/usr'])
  })

  it('a-link-in-the-workspace-to-a-host-file-reads-nothing-and-gives-nothing-away', async () => {
    const workspace = rig().dir('workspace')
    const secret = join(rig().dir('host'), 'secret')
    writeFileSync(secret, 'secret', { mode: 0o600 })
    const before = statSync(secret).uid
    symlinkSync(secret, join(workspace, 'link'))
    symlinkSync('/etc/shadow', join(workspace, 'shadow'))
    expect((await outside(['cat', 'link'], workspace)).stdout).toBe('secret')
    const { stdout, code } = await rig().run(['cat', 'link', 'shadow'], { workspace })
    expect({ stdout, code }).toEqual({ stdout: '', code: 1 })
    // Preparing the workspace must not have followed the link as the owner of the host.
    expect(statSync(secret).uid).toBe(before)
  })

  it('host-files-cannot-be-linked-into-the-workspace', async () => {
    const run = await rig().run(['sh', '-c', `ln ${NODE} /workspace/node; ln own hard; ls`])
    expect(run.stdout).toBe('')
    expect((await rig().run(['sh', '-c', 'echo >own; ln own hard; ls'])).stdout).toBe('hard\nown\n')
  })

  it('devices-are-absent-and-cannot-be-made', async () => {
    const allowed = 'core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero console'.split(
      ' ',
    )
    expect(lines((await rig().run(['ls', '/dev'])).stdout).filter((name) => !allowed.includes(name))).toEqual([])
    const made = await rig().run(['sh', '-c', 'mknod sda b 8 0; mknod mem c 1 1; mkfifo pipe; ls'])
    expect(made.stdout).toBe('pipe\n')
  })

  it('a-descriptor-the-manager-was-born-with-does-not-come-along', async () => {
    const list = `for f in /proc/self/fd/*; do n=\${f##*/}; [ -d /proc/$$/fd/$n/. ] && echo "$n"; done; echo end`
    // Far up, where neither Node at its start nor a plain shell would close it.
    const via = ['perl', '-MPOSIX', '-e', 'POSIX::dup2(POSIX::open("/"), 200); exec @ARGV']
    const leaky = await rig().manager(rig().spec(['sh', '-c', list], { labels: { wait: 'exit' } }), via)
    expect(leaky.said.stdout).toBe('end\n')
    leaky.kill('SIGKILL')
    await ended(leaky)
  })
}
