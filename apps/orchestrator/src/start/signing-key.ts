import { randomBytes } from 'node:crypto'
import type { Store, StoredRecord } from '@tutti/engine'

const kind = 'key'
const id = 'signing'

/**
 * The key that webhooks and approval links are signed with: SIGNING_KEY, or else one that is made at the first start and kept in the
 * Store, the same for all instances.
 */
export const signingKey = async (
  configured: string,
  store: Pick<Store, 'getRecords' | 'putRecords'>,
): Promise<Buffer> => {
  if (configured !== '') return Buffer.from(configured, 'utf8')
  for (;;) {
    const [known] = await store.getRecords(kind, [id])
    if (typeof known?.body.base64 === 'string') return Buffer.from(known.body.base64, 'base64')
    const made: StoredRecord = {
      kind,
      id,
      owner: null,
      ref: null,
      rev: 1,
      dueAt: null,
      expiresAt: null,
      body: { base64: randomBytes(32).toString('base64') },
    }
    // Of two instances that start at once, one makes it and the other reads it.
    await store.putRecords([made])
  }
}
