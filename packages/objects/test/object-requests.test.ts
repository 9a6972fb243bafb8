import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { handleObjectRequest, type ObjectStore, serveObject } from '../src/index.ts'
import { type LocalStore, makeLocalStore } from './local-store.ts'

let local: LocalStore
beforeEach(async () => {
  local = await makeLocalStore()
  await local.store.put('dir/k.html', '0123456789', { contentType: 'text/html' })
})
afterEach(() => local.close())

async function get(headers: Record<string, string> = {}, method = 'GET', filename?: string) {
  const options = { expiresSeconds: 60, ...(filename === undefined ? {} : { filename }) }
  const answer = await local.request(await local.store.presignGet('dir/k.html', options), { headers, method })
  return { ...answer, text: Buffer.from(answer.body).toString() }
}

describe('reading', () => {
  it('never lets a browser open the file in the page’s origin', async () => {
    const { headers } = await get()
    expect(headers).toMatchObject({
      'content-type': 'text/html',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'content-length': '10',
      'accept-ranges': 'bytes',
    })
    expect(headers['content-disposition']).toBe(`attachment; filename="k.html"; filename*=UTF-8''k.html`)
  })

  it.each([
    ['Über "50%"\r\nx: y.txt', `attachment; filename="_ber _50____x: y.txt"`],
    ['../../etc/passwd', 'attachment; filename=".._.._etc_passwd"'],
    ['', 'attachment; filename="download"'],
  ])('keeps the file name %j from breaking the header', async (name, start) => {
    const disposition = (await get({}, 'GET', name)).headers['content-disposition']
    expect(disposition?.startsWith(`${start}; filename*=UTF-8''`)).toBe(true)
    expect(disposition).toMatch(/^[\x20-\x7e]+$/)
  })

  it.each([
    ['bytes=0-3', 206, '0123', 'bytes 0-3/10'],
    ['bytes=8-', 206, '89', 'bytes 8-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=-99', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=5-99', 206, '56789', 'bytes 5-9/10'],
    ['bytes=10-', 416, '', 'bytes */10'],
    ['bytes=-0', 416, '', 'bytes */10'],
    ['bytes=5-2', 200, '0123456789', undefined],
    ['bytes=0-1,4-5', 200, '0123456789', undefined],
    ['bytes=-', 200, '0123456789', undefined],
    ['lines=1-2', 200, '0123456789', undefined],
  ])('with Range: %s answers %i', async (range, status, text, contentRange) => {
    const answer = await get({ range })
    expect([answer.status, answer.text, answer.headers['content-range']]).toEqual([status, text, contentRange])
    if (status !== 416) expect(answer.headers['content-length']).toBe(String(text.length))
  })

  it('answers 304 to a client that has this content, and only to it', async () => {
    const { etag = '' } = (await get()).headers
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      expect((await get({ 'if-none-match': tag })).status).toBe(304)
    }
    await local.store.put('dir/k.html', 'changed')
    expect((await get({ 'if-none-match': etag })).text).toBe('changed')
  })

  it('ignores a range of a former content', async () => {
    const { etag = '' } = (await get()).headers
    expect((await get({ range: 'bytes=0-1', 'if-range': etag })).status).toBe(206)
    await local.store.put('dir/k.html', 'changed')
    expect(await get({ range: 'bytes=0-1', 'if-range': etag })).toMatchObject({ status: 200, text: 'changed' })
  })

  it('answers HEAD with the length and no body', async () => {
    const answer = await get({ range: 'bytes=0-1' }, 'HEAD')
    expect(answer).toMatchObject({ status: 200, text: '' })
    expect(answer.headers['content-length']).toBe('10')
  })

  it('never mixes two contents when the object is replaced between its head and its bytes', async () => {
    let replaced = false
    const store: Pick<ObjectStore, 'get' | 'head'> = {
      head: local.store.head,
      async get(key, options) {
        if (!replaced) await local.store.put(key, 'abcdefghijklmnop')
        replaced = true
        return local.store.get(key, options)
      },
    }
    const response = await serveObject(store, { key: 'dir/k.html' }, { method: 'GET', headers: { range: 'bytes=-2' } })
    expect(response.headers['content-range']).toBe('bytes 14-15/16')
    expect((await response.body?.toArray())?.join('')).toBe('op')
  })

  it('answers 404 for a signed address whose object is gone', async () => {
    const url = await local.store.presignGet('dir/k.html', { expiresSeconds: 60 })
    await local.store.delete('dir/k.html')
    expect((await local.request(url)).status).toBe(404)
  })
})

describe('writing', () => {
  async function put(body: Readable, headers: Record<string, string> = {}) {
    const url = await local.store.presignPut('up', { expiresSeconds: 60 })
    const deps = { store: local.store, verifyPresigned: local.store.verifyPresigned, maxUploadBytes: 10 }
    return handleObjectRequest(deps, { method: 'PUT', url, headers, body })
  }

  it('takes a body up to the limit', async () => {
    expect((await put(Readable.from([Buffer.alloc(4), Buffer.alloc(6)]))).status).toBe(200)
    expect((await local.store.head('up'))?.size).toBe(10)
  })

  it.each([
    ['that announces it', { 'content-length': '11' }],
    ['that lies about it', { 'content-length': '5' }],
    ['that announces nothing', {}],
  ])('refuses a larger body %s, stores nothing, and leaves the connection open for the answer', async (_n, headers) => {
    const body = Readable.from([Buffer.alloc(6), Buffer.alloc(5), Buffer.alloc(5)])
    const { status, fault } = await put(body, headers)
    expect([status, fault?.code]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
    expect(body.destroyed).toBe(false)
    expect(await local.store.head('up')).toBeNull()
  })

  it('refuses a content type that can’t be sent back', async () => {
    const { status, fault } = await put(Readable.from(['x']), { 'content-type': 'x'.repeat(300) })
    expect([status, fault?.code]).toEqual([400, 'INVALID_REQUEST'])
  })
})

describe('requests that nobody signed', () => {
  it('look nothing up', async () => {
    const untouchable = new Proxy(local.store, {
      get() {
        throw new Error('the store was asked')
      },
    })
    const deps = { store: untouchable, verifyPresigned: local.store.verifyPresigned, maxUploadBytes: 10 }
    const url = '/api/v1/objects/dir/k.html?expires=9999999999&signature=AAAA'
    const { status, fault } = await handleObjectRequest(deps, { method: 'GET', url, headers: {} })
    expect([status, fault?.code]).toEqual([403, 'FORBIDDEN'])
  })

  it('say when they come too late', async () => {
    const deps = {
      store: local.store,
      verifyPresigned: () => ({ refusal: 'EXPIRED' as const }),
      maxUploadBytes: 10,
    }
    const { fault } = await handleObjectRequest(deps, { method: 'GET', url: '/', headers: {} })
    expect(fault?.code).toBe('LINK_EXPIRED')
  })

  it('with another method answer 405', async () => {
    expect(await local.request('/', { method: 'DELETE' })).toMatchObject({ status: 405 })
  })
})
