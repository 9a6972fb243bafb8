import { TuttiError } from '@tutti/contracts'
import { ObjectStoreError } from '@tutti/objects'

/** What object storage can’t do now is worth another try; why it can’t is for the log. */
export const asked = async <T>(operation: Promise<T>): Promise<T> => {
  try {
    return await operation
  } catch (error) {
    throw error instanceof ObjectStoreError
      ? new TuttiError('STORE_UNAVAILABLE', 'Object storage can’t be used now', { cause: error })
      : error
  }
}
