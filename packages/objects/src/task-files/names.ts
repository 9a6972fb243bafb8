/** Names of files within a job, and where addresses lead. */
import { ObjectStoreError } from '../errors.ts'
import { checkKey } from '../keys.ts'

/**
 * The name as it is kept: relative, `/` between segments, composed as Unicode's NFC, so that the two spellings of “é” are
 * one file on every disk.
 * @throws ObjectStoreError INVALID_KEY for one that leads elsewhere, or that shows itself as another one
 */
export function checkName(name: string): string {
  const kept = name.normalize('NFC')
  checkKey(kept)
  // Letters that turn the direction of writing make “exe.txt” of “txt.exe”.
  if (/[\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Noncharacter_Code_Point}]/u.test(kept)) {
    throw invalid(name, 'has characters that hide what it says')
  }
  if (kept.split('/').some((segment) => Buffer.byteLength(segment) > 255)) {
    throw invalid(name, 'has a segment of more than 255 bytes')
  }
  return kept
}

/** @throws ObjectStoreError INVALID_KEY. Ids become folders, so they are held to what is safe as one. */
export function checkJobId(id: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(id)) return id
  throw invalid(id, 'is no id of a job')
}

export interface Address {
  bucket: string
  /** A key; of a directory, without its last slash. Empty: the whole bucket. */
  key: string
  directory: boolean
}

/** An address `s3://bucket/key`; null for what is a plain name. A trailing slash makes it a directory. */
export function parseAddress(text: string): Address | null {
  const [, bucket, rest] = /^s3:\/\/([^/]*)\/?(.*)$/s.exec(text) ?? []
  if (bucket === undefined || rest === undefined) {
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) throw invalid(text, 'is an address of another kind than s3://')
    return null
  }
  const directory = rest === '' || rest.endsWith('/')
  const key = directory ? rest.slice(0, -1) : rest
  if (key !== '') checkKey(key)
  return { bucket, key, directory }
}

function invalid(name: string, reason: string): ObjectStoreError {
  return new ObjectStoreError('INVALID_KEY', `The name ${JSON.stringify(name.slice(0, 120))} ${reason}`)
}
