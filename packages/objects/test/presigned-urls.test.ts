import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { validKey } from '../src/conformance/index.ts'
import { createSigner } from '../src/presign.ts'
import { publicUrl, secret } from './local-store.ts'

let time = Date.UTC(2030, 0, 1)
const now = () => time
const signer = createSigner({ publicUrl, secret, now })

describe('a presigned address', () => {
  it('gives back every key and file name that was signed, whole address or path alone', () => {
    fc.assert(
      fc.property(validKey, fc.option(fc.string({ unit: 'binary' }), { nil: undefined }), (key, filename) => {
        const url = signer.presignGet(key, { expiresSeconds: 5, ...(filename === undefined ? {} : { filename }) })
        const expected = { presigned: { key, filename: filename?.toWellFormed() ?? null } }
        expect(signer.verifyPresigned(url, 'GET')).toEqual(expected)
        const { pathname, search } = new URL(url)
        expect(signer.verifyPresigned(pathname + search, 'HEAD')).toEqual(expected)
        expect(signer.verifyPresigned(url, 'PUT')).toEqual({ refusal: 'INVALID' })
      }),
    )
  })

  it('is invalid with any part of it changed', () => {
    const url = signer.presignGet('a/b', { expiresSeconds: 60, filename: 'x.txt' })
    const changes: Array<[string, string]> = [
      ['a/b', 'a/c'],
      ['a/b', 'a%2Fc'],
      ['x.txt', 'y.txt'],
      ['filename=x.txt&', ''],
      [/expires=\d+/.exec(url)?.[0] ?? '', 'expires=9999999999'],
      [/&signature=.*/.exec(url)?.[0] ?? '', ''],
      ['/api/v1/objects/', '/api/v1/other/'],
    ]
    for (const [from, to] of changes) {
      expect(url).toContain(from)
      expect(signer.verifyPresigned(url.replace(from, to), 'GET'), `${from} → ${to}`).toEqual({ refusal: 'INVALID' })
    }
  })

  it('is invalid with every single character of its signature changed', () => {
    const url = signer.presignPut('k', { expiresSeconds: 60 })
    const start = url.indexOf('signature=') + 'signature='.length
    // The last character of 43 holds bits that are not part of the 32 bytes.
    for (let index = start; index < url.length - 1; index += 1) {
      const changed = url.slice(0, index) + (url[index] === 'A' ? 'B' : 'A') + url.slice(index + 1)
      expect(signer.verifyPresigned(changed, 'PUT')).toEqual({ refusal: 'INVALID' })
    }
  })

  it('expires at its second, and not before', () => {
    const url = signer.presignGet('k', { expiresSeconds: 60 })
    time += 59_999
    expect(signer.verifyPresigned(url, 'GET').presigned?.key).toBe('k')
    time += 1
    expect(signer.verifyPresigned(url, 'GET')).toEqual({ refusal: 'EXPIRED' })
  })

  it('signed with another secret is invalid', () => {
    const other = createSigner({ publicUrl, secret: 'another', now })
    expect(signer.verifyPresigned(other.presignGet('k', { expiresSeconds: 60 }), 'GET').refusal).toBe('INVALID')
  })

  it('can’t be signed with an empty secret', () => {
    expect(() => createSigner({ publicUrl, secret: '', now })).toThrow('empty secret')
  })

  it.each(['', '/', 'not a url', '/api/v1/objects/%E0%A4%A', '//', '/api/v1/objects/../../etc/passwd'])(
    'that is %j is invalid, not an exception',
    (url) => {
      expect(signer.verifyPresigned(url, 'GET')).toEqual({ refusal: 'INVALID' })
    },
  )
})
