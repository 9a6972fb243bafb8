import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { PresignedAnswer, PresignedRequest } from '../src/conformance/index.ts'
import { createLocalObjects, handleObjectRequest, type LocalObjects, type LocalObjectsDeps } from '../src/index.ts'

export const publicUrl = 'http://localhost:8000/api/v1/objects/'
export const secret = 'a secret of the tests'

export interface LocalStore {
  root: string
  store: LocalObjects
  request: (url: string, init?: PresignedRequest) => Promise<PresignedAnswer>
  tamper: (key: string) => Promise<void>
  close: () => Promise<void>
}

export async function makeLocalStore(deps: LocalObjectsDeps = {}): Promise<LocalStore> {
  const root = await mkdtemp(join(tmpdir(), 'tutti-objects-'))
  const store = createLocalObjects({ root, publicUrl, secret }, deps)
  return {
    root,
    store,
    async request(url, { method = 'GET', headers = {}, body } = {}) {
      const handler = { store, verifyPresigned: store.verifyPresigned, maxUploadBytes: 1000 }
      const stream = body === undefined ? null : Readable.from([body])
      const response = await handleObjectRequest(handler, { method, url, headers, body: stream })
      const content = response.body === null ? Buffer.alloc(0) : await buffer(response.body)
      return { status: response.status, headers: response.headers, body: content }
    },
    async tamper(key) {
      const handle = await open(join(root, 'objects', `f${key}`), 'r+')
      await handle.write('#', 3)
      await handle.close()
    },
    close: () => rm(root, { recursive: true, force: true }),
  }
}
