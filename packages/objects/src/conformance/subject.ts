/** What the parts of the conformance suite share: the store under test, and keys that could confuse it. */
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { checkKey } from '../keys.ts'
import type { ByteRange, ObjectStore } from '../port.ts'

export interface StoreUnderTest {
  store: ObjectStore
  /** Sends a request to a presigned address, as a browser would. */
  request: (url: string, init?: PresignedRequest) => Promise<PresignedAnswer>
  /** Changes a byte of a stored object behind the store's back. */
  tamper: (key: string) => Promise<void>
  /** Bytes of the longest segment of a key, where the server under test is narrower than the port. */
  longestSegment?: number
  /** Bytes that a folder which the store adds takes from the 1024 of a key; an even number. */
  folderBytes?: number
  close: () => Promise<void>
}

export interface PresignedRequest {
  method?: string
  headers?: Record<string, string>
  body?: Uint8Array
}

export interface PresignedAnswer {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
  body: Uint8Array
}

/** Of the test that runs: a suite is registered before its store is made. */
export interface Subject {
  under(): StoreUnderTest
  store(): ObjectStore
}

/** The text of an object. */
export const readFrom = async (store: ObjectStore, key: string, range?: ByteRange): Promise<string> =>
  (await buffer((await store.get(key, range ? { range } : {})).stream)).toString()

/** Any key that the rules allow, with a taste for what could confuse a layout. */
const segment = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
  fc.constantFrom('a', 'A', 'd', 'f', 'c', 'fa', '%', '%61', '...', '.a', 'con', 'tmp', 'x'.repeat(300)),
)
export const validKey = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join('/'))
  .filter((key) => {
    try {
      checkKey(key)
      return true
    } catch {
      return false
    }
  })
