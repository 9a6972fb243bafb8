/** What S3 and the way to it say went wrong, in the words of the port. */
import { ObjectStoreError, type ObjectStoreErrorCode } from '../errors.ts'

/**
 * The operation, failing as the port says.
 * @throws ObjectStoreError, or what the operation threw when it was nothing of S3's
 */
export async function asked<T>(what: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    const code = codeOf(error)
    if (code === null) throw error
    throw new ObjectStoreError(code, `${what}: ${messages[code] ?? 'S3 refused it'}`, { cause: error })
  }
}

const messages: Partial<Record<ObjectStoreErrorCode, string>> = {
  NOT_FOUND: 'there is no such object',
  NO_BUCKET: 'there is no such bucket',
  ACCESS_DENIED: 'S3 denies access; the keys are wrong, or do not allow this',
  UNREACHABLE: 'S3 can’t be reached',
  RANGE_NOT_SATISFIABLE: 'the object ends before the range begins',
}

interface Failure {
  name?: string
  code?: string
  $metadata?: { httpStatusCode?: number }
}

function codeOf(error: unknown): ObjectStoreErrorCode | null {
  if (!(error instanceof Error) || error instanceof ObjectStoreError) return null
  const { name = '', code = '', $metadata } = error as Failure
  const status = $metadata?.httpStatusCode
  if (name === 'NoSuchBucket') return 'NO_BUCKET'
  if (name === 'NoSuchKey' || name === 'NotFound') return 'NOT_FOUND'
  if (name === 'InvalidRange' || status === 416) return 'RANGE_NOT_SATISFIABLE'
  if (name === 'CredentialsProviderError' || status === 401 || status === 403) return 'ACCESS_DENIED'
  if (status === 404) return 'NOT_FOUND'
  if (status === 429 || (status !== undefined && status >= 500)) return 'UNREACHABLE'
  if (name === 'TimeoutError' || name === 'RequestTimeout' || name === 'SlowDown') return 'UNREACHABLE'
  if (/^(ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)/.test(code)) return 'UNREACHABLE'
  return null
}
