/** Integrity: the hash that was stored with an object is held against the bytes whenever the whole object is read. */
import { createHash } from 'node:crypto'
import { pipeline, type Readable, Transform } from 'node:stream'
import { ObjectStoreError } from './errors.ts'

/**
 * The same bytes. The stream fails with `CORRUPT` at its end when their hash is another one; the reader has had the bytes
 * by then, so whoever acts on them waits for the end.
 */
export function verified(source: Readable, sha256: string): Readable {
  const hash = createHash('sha256')
  const check = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
    flush(done) {
      if (hash.digest('hex') === sha256) done()
      else done(new ObjectStoreError('CORRUPT', 'The stored bytes are not those that were written'))
    },
  })
  // It closes the source when the reader gives up; the reader hears of errors through `check` itself.
  return pipeline(source, check, () => undefined)
}

/** Refuses a body that is not the one that the caller announced. */
export function checkHash(expected: string | undefined, sha256: string): void {
  if (expected === undefined || expected === sha256) return
  throw new ObjectStoreError(
    'INTEGRITY_MISMATCH',
    'The body is not the one whose hash was announced; nothing was stored',
  )
}
