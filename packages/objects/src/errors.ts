export type ObjectStoreErrorCode =
  /** There is no object with this key. */
  | 'NOT_FOUND'
  /** There is no such bucket: nothing can be said about its objects. */
  | 'NO_BUCKET'
  /** The key breaks a rule of `checkKey`, or its path leads out of the root. */
  | 'INVALID_KEY'
  /** An option is out of its bounds. */
  | 'INVALID_OPTION'
  /** The range starts behind the end of the object. */
  | 'RANGE_NOT_SATISFIABLE'
  /** The disk, or the quota on it, is used up. Nothing was stored. */
  | 'NO_SPACE'
  /** What is stored is not what was written: somebody changed or cut it. */
  | 'CORRUPT'
  /** The body that was sent is not the one whose hash was announced. Nothing was stored. */
  | 'INTEGRITY_MISMATCH'
  /** The credentials are wrong, or do not allow this. */
  | 'ACCESS_DENIED'
  /** The server is away, or too busy to answer. Trying again later may help, as with no other code. */
  | 'UNREACHABLE'

/** An expected failure of an object store. `code` is for programs and never changes its meaning. */
export class ObjectStoreError extends Error {
  override readonly name = 'ObjectStoreError'
  readonly code: ObjectStoreErrorCode

  constructor(code: ObjectStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  get retryable(): boolean {
    return this.code === 'UNREACHABLE'
  }
}

/** The code of a system error such as ENOENT. */
export function systemCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
}
