import { chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HOME } from '../spec.ts'

/** The sandbox's own /etc files for a user number as seen inside; made once, then only mounted. */
export function etcFor(stateDir: string, uid: number): string {
  const dir = join(stateDir, 'etc', String(uid))
  if (existsSync(dir)) return dir
  const making = `${dir}.${process.pid}`
  mkdirSync(making, { recursive: true })
  const files = {
    passwd: `root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nagent:x:${uid}:${uid}:agent:${HOME}:/bin/sh\n`,
    group: `root:x:0:\nagent:x:${uid}:\n`,
    hosts: '127.0.0.1 localhost sandbox\n::1 localhost\n',
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
  }
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(making, name), text)
    chmodSync(join(making, name), 0o644)
  }
  try {
    renameSync(making, dir)
  } catch {
    // Another process was first with the same files.
  }
  return dir
}
