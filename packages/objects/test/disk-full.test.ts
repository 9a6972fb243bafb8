import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createLocalObjects } from '../src/index.ts'
import { writeBytes } from '../src/local/write.ts'
import { makeLocalStore, publicUrl, secret } from './local-store.ts'

const noSpace = { name: 'ObjectStoreError', code: 'NO_SPACE' }

/** A disk of one megabyte; `null` where this user may not mount one. */
function mountSmallDisk(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'tutti-small-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' })
    return folder
  } catch {
    rmdirSync(folder)
    return null
  }
}

const smallDisk = mountSmallDisk()

describe('a disk that fills up while an object is written', () => {
  it.runIf(smallDisk !== null)('really: says NO_SPACE, leaves nothing behind, keeps what was there', async () => {
    const root = smallDisk ?? ''
    onTestFinished(() => {
      execFileSync('umount', [root])
      rmdirSync(root)
    })
    const store = createLocalObjects({ root, publicUrl, secret })
    await store.put('kept', 'kept')
    const body = () => Readable.from(Array.from({ length: 40 }, () => randomBytes(50_000)))
    await expect(store.put('large', body())).rejects.toMatchObject(noSpace)
    await expect(store.put('kept', body())).rejects.toMatchObject(noSpace)

    expect(readdirSync(join(root, 'temporary'))).toEqual([])
    expect((await store.list('')).objects.map(({ key }) => key)).toEqual(['kept'])
    expect((await buffer((await store.get('kept')).stream)).toString()).toBe('kept')
    await store.put('large', randomBytes(500_000))
  })

  it.each(['ENOSPC', 'EDQUOT'])('as %s: says NO_SPACE and leaves nothing behind', async (code) => {
    let writes = 0
    const local = await makeLocalStore({
      writeBytes: async (handle, bytes) => {
        writes += 1
        if (writes === 3) throw Object.assign(new Error(`${code}: no space left on device, write`), { code })
        await writeBytes(handle, bytes)
      },
    })
    onTestFinished(local.close)
    const body = Readable.from([Buffer.from('1'), Buffer.from('2'), Buffer.from('3'), Buffer.from('4')])
    await expect(local.store.put('k', body)).rejects.toMatchObject(noSpace)
    expect(body.destroyed).toBe(true)
    expect(readdirSync(join(local.root, 'temporary'))).toEqual([])
    expect(readdirSync(join(local.root, 'objects'))).toEqual([])
  })

  it('does not take the sender’s own full disk for ours', async () => {
    const local = await makeLocalStore()
    onTestFinished(local.close)
    const theirs = Object.assign(new Error('theirs'), { code: 'ENOSPC' })
    const body = new Readable({
      read() {
        this.destroy(theirs)
      },
    })
    await expect(local.store.put('k', body)).rejects.toBe(theirs)
  })

  it('answers a presigned upload with 507', async () => {
    const local = await makeLocalStore({
      writeBytes: async () => {
        throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      },
    })
    onTestFinished(local.close)
    const url = await local.store.presignPut('k', { expiresSeconds: 60 })
    expect((await local.request(url, { method: 'PUT', body: Buffer.from('x') })).status).toBe(507)
  })
})
