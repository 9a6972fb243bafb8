export type ObjectStoreErrorCode =
  /** There is no object with this key. */
  | 'NOT_FOUND'
  /** The key breaks a rule of `checkKey`, or its path leads out of the root. */
  | 'INVALID_KEY'
  /** An option is out of its bounds. */
  | 'INVALID_OPTION'
  /** The range starts behind the end of the object. */
  | 'RANGE_NOT_SATISFIABLE'
  /** The disk, or the quota on it, is used up. Nothing was stored. */
  | 'NO_SPACE'
  /** What lies on the disk is not a whole object: somebody changed or cut it. */
  | 'CORRUPT'

/** An expected failure of an object store. `code` is for programs and never changes its meaning. */
export class ObjectStoreError extends Error {
  override readonly name = 'ObjectStoreError'
  readonly code: ObjectStoreErrorCode

  constructor(code: ObjectStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The code of a system error such as ENOENT. */
export function systemCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
}
