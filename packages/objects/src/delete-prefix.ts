import type { ObjectStore } from './port.ts'

const atOnce = 16

/**
 * Deletes every object whose key starts with the prefix, and answers how many those were. One request for each: the call
 * that takes a thousand keys wants checksums on which S3's imitators do not agree.
 */
export async function deletePrefix(store: Pick<ObjectStore, 'list' | 'delete'>, prefix: string): Promise<number> {
  let deleted = 0
  let cursor: string | null = null
  do {
    const page = await store.list(prefix, cursor)
    const keys = page.objects.map(({ key }) => key)
    const worker = async () => {
      for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
        await store.delete(key)
        deleted += 1
      }
    }
    await Promise.all(Array.from({ length: Math.min(atOnce, keys.length) }, worker))
    cursor = page.cursor
  } while (cursor !== null)
  return deleted
}
