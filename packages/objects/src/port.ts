/**
 * Where files are kept: uploads, workspace exports, payloads that are too large for the store. A local folder and S3
 * are two adapters of this port, and one conformance suite holds for both.
 *
 * Keys are checked by `checkKey`. A write is all or nothing: a reader sees the old object or the new one, whole.
 * Every failure that a caller can expect is an `ObjectStoreError`.
 */
import type { Readable } from 'node:stream'

export interface ObjectStore {
  /**
   * Stores the body under the key, in place of what was there, and holds on to no more than a few chunks of it. Safe on
   * disk when it returns. A body that fails leaves the former object as it was, and its error is thrown unchanged.
   */
  put(key: string, body: ObjectBody, options?: PutOptions): Promise<StoredObject>
  /** Throws `NOT_FOUND`, or `RANGE_NOT_SATISFIABLE` for a range that starts behind the end. */
  get(key: string, options?: GetOptions): Promise<ObjectContent>
  /** `null` when there is no such object. */
  head(key: string): Promise<ObjectInfo | null>
  /** Deleting what does not exist succeeds: a retried delete is no fault. */
  delete(key: string): Promise<void>
  /** Deletes every object whose key starts with `prefix`, and answers how many. One written meanwhile may stay. */
  deletePrefix(prefix: string): Promise<number>
  /**
   * The objects whose key starts with `prefix` (any text, not only a folder), ordered by the bytes of their keys. A page
   * begins behind the key `cursor`: that of the page before, or any other. `limit` is at most 1000, the default.
   */
  list(prefix: string, cursor?: string | null, limit?: number): Promise<ObjectPage>
  /** An address that lets whoever has it read this object, and nothing else, until it expires. */
  presignGet(key: string, options: PresignGetOptions): Promise<string>
  /** An address that lets whoever has it write this object, and nothing else, until it expires. */
  presignPut(key: string, options: PresignPutOptions): Promise<string>
}

export type ObjectBody = Readable | Uint8Array | string

export interface PutOptions {
  /** A MIME type; `application/octet-stream` when left out. */
  contentType?: string
  /** The hash (hex) that the body must have; with another one nothing is stored: `INTEGRITY_MISMATCH`. */
  sha256?: string
}

/** Of a PUT to a presigned address that was made for a known content. */
export const hashHeader = 'x-amz-meta-sha256'

export interface StoredObject {
  key: string
  /** Bytes. */
  size: number
  /** Of the content, hex. */
  sha256: string
}

export interface GetOptions {
  range?: ByteRange
}

/** Byte offsets, both inclusive, as in HTTP. Without `end`, or with one behind the end, up to the last byte. */
export interface ByteRange {
  start: number
  end?: number
}

export interface ObjectInfo {
  key: string
  /** Bytes of the whole object. */
  size: number
  contentType: string
  /** Opaque, without quotes; another content has another one. */
  etag: string
  /** Of the content, hex; null where a writer did not leave it: one that came by a presigned address of S3. */
  sha256: string | null
  modifiedAt: Date
}

export interface ObjectContent extends ObjectInfo {
  /**
   * The bytes asked for. Read it to its end or destroy it, or a file handle or a connection stays open. The stream of a
   * whole object fails with `CORRUPT` at its end when the bytes are not those that were written.
   */
  stream: Readable
  /** What `stream` holds; `null` when it is the whole object. */
  range: Required<ByteRange> | null
}

export interface ObjectPage {
  objects: Array<Pick<ObjectInfo, 'key' | 'size' | 'modifiedAt'>>
  /** `null` on the last page. */
  cursor: string | null
}

export interface PresignOptions {
  /** 1 second to 7 days, the most that S3 allows. */
  expiresSeconds: number
}

export interface PresignPutOptions extends PresignOptions {
  /** Of the content, hex. The PUT must then carry it as the header `hashHeader`, by which it is kept with the object. */
  sha256?: string
}

export interface PresignGetOptions extends PresignOptions {
  /** The name under which a browser saves the file. */
  filename?: string
}
