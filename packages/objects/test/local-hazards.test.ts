import { mkdir, mkdtemp, readdir, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createLocalObjects, type ObjectStore } from '../src/index.ts'
import { writeBytes } from '../src/local/write.ts'
import { type LocalStore, makeLocalStore, publicUrl, secret } from './local-store.ts'

let local: LocalStore
beforeEach(async () => {
  local = await makeLocalStore()
})
afterEach(() => local.close())

const read = async (store: ObjectStore, key: string) => (await buffer((await store.get(key)).stream)).toString()

describe('a symbolic link inside the root', () => {
  async function outsideFolder(): Promise<string> {
    const outside = await mkdtemp(join(tmpdir(), 'tutti-outside-'))
    onTestFinished(() => rm(outside, { recursive: true }))
    await local.store.put('inside', 'x')
    return outside
  }

  it('in place of a folder is not followed, by any operation', async () => {
    const outside = await outsideFolder()
    await local.store.put('a/b', 'secret')
    await rename(join(local.root, 'objects', 'da'), join(outside, 'da'))
    await symlink(join(outside, 'da'), join(local.root, 'objects', 'da'))
    const code = { code: 'INVALID_KEY' }
    await expect(local.store.get('a/b')).rejects.toMatchObject(code)
    await expect(local.store.head('a/b')).rejects.toMatchObject(code)
    await expect(local.store.delete('a/b')).rejects.toMatchObject(code)
    await expect(local.store.put('a/b', 'x')).rejects.toMatchObject(code)
    await expect(local.store.put('a/new/deep', 'x')).rejects.toMatchObject(code)
    await expect(local.store.list('a/')).rejects.toMatchObject(code)
    expect((await local.store.list('')).objects.map(({ key }) => key)).toEqual(['inside'])
    expect(await readdir(join(outside, 'da'))).toEqual(['fb'])
  })

  it('in place of an object is not read, and a write replaces the link, not its target', async () => {
    const outside = await outsideFolder()
    await rename(join(local.root, 'objects', 'finside'), join(outside, 'target'))
    await symlink(join(outside, 'target'), join(local.root, 'objects', 'finside'))
    await expect(local.store.get('inside')).rejects.toMatchObject({ code: 'INVALID_KEY' })
    await local.store.put('inside', 'a new and longer content')
    expect(await read(local.store, 'inside')).toBe('a new and longer content')
    await rename(join(outside, 'target'), join(local.root, 'objects', 'ftarget'))
    expect(await read(local.store, 'target')).toBe('x')
  })
})

describe('a file that is not a whole object', () => {
  it.each([0, 3, 400, 515])('cut to %i bytes is CORRUPT, not a shorter content', async (length) => {
    await local.store.put('k', 'content')
    await truncate(join(local.root, 'objects', 'fk'), length)
    await expect(local.store.get('k')).rejects.toMatchObject({ code: 'CORRUPT' })
  })

  it('that somebody dropped into the folder does not break a listing', async () => {
    await local.store.put('k', 'content')
    await writeFile(join(local.root, 'objects', 'README'), 'hello')
    await writeFile(join(local.root, 'objects', 'f%zz'), 'hello')
    expect((await local.store.list('')).objects.map(({ key }) => key)).toEqual(['k'])
  })
})

describe('writes at the same time', () => {
  it('to one key leave one whole content', async () => {
    const contents = Array.from({ length: 8 }, (_, index) => String(index).repeat(50_000 + index))
    await Promise.all(contents.map((content) => local.store.put('k', content)))
    expect(contents).toContain(await read(local.store, 'k'))
    expect(await readdir(join(local.root, 'temporary'))).toEqual([])
  })

  it('are not lost to deletes that tidy the same folder', async () => {
    const store = local.store
    async function putAndDelete(name: string) {
      for (let round = 0; round < 60; round += 1) {
        await store.put(`a/b/c/${name}`, String(round))
        expect(await read(store, `a/b/c/${name}`)).toBe(String(round))
        await store.delete(`a/b/c/${name}`)
      }
    }
    await Promise.all(['1', '2', '3', '4'].map(putAndDelete))
    expect(await readdir(join(local.root, 'objects'))).toEqual([])
  })

  it('are seen only when they are finished', async () => {
    const gate = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    await local.store.put('k', 'old')
    async function* slow() {
      yield Buffer.from('new ')
      reached.resolve()
      await gate.promise
      yield Buffer.from('content')
    }
    const writing = local.store.put('k', Readable.from(slow()))
    await reached.promise
    expect(await read(local.store, 'k')).toBe('old')
    gate.resolve()
    await writing
    expect(await read(local.store, 'k')).toBe('new content')
  })
})

it('an upload that is faster than the disk does not pile up in memory', async () => {
  let sent = 0
  let written = 0
  let mostAhead = 0
  const slow = await makeLocalStore({
    writeBytes: async (handle, bytes) => {
      mostAhead = Math.max(mostAhead, sent - written)
      await writeBytes(handle, bytes)
      written += 1
    },
  })
  async function* many() {
    for (; sent < 2000; sent += 1) yield Buffer.alloc(1000)
  }
  await slow.store.put('k', Readable.from(many()))
  expect(sent).toBe(2000)
  expect(mostAhead).toBeLessThan(100)
  await slow.close()
})

describe('unfinished writes of a process that died', () => {
  it('are removed after a day, and those of a living process are not', async () => {
    const temporary = join(local.root, 'temporary')
    await mkdir(temporary, { recursive: true })
    const now = Date.UTC(2030, 0, 2)
    for (const [name, age] of [
      ['dead', 25],
      ['alive', 1],
    ] as const) {
      await writeFile(join(temporary, name), 'part')
      const touched = new Date(now - age * 3_600_000)
      await utimes(join(temporary, name), touched, touched)
    }
    const store = createLocalObjects({ root: local.root, publicUrl, secret }, { now: () => now })
    await store.put('k', 'x')
    expect(await readdir(temporary)).toEqual(['alive'])
  })
})

it('a content type can’t add a header', async () => {
  for (const contentType of ['text/plain\r\nx-evil: 1', '', 'x'.repeat(256), 'tëxt/plain']) {
    await expect(local.store.put('k', 'x', { contentType })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  }
})
