/** The secrets that webhooks are signed with: a client's own, changed when it asks for it. */
import type { Store, StoredRecord } from '@tutti/engine'
import { webhookSecret } from './signature.ts'

export interface WebhookSecrets {
  /** The newest first; the one before it for a day after a change. */
  current(client: string): Promise<string[]>
  rotate(client: string): Promise<string[]>
}

const kind = 'webhook_secret'
/** How long the secret before the last change still signs along. */
const overlapMs = 86_400_000

export const createWebhookSecrets = (deps: {
  store: Pick<Store, 'now' | 'getRecords' | 'putRecords'>
  signingKey: Buffer
}): WebhookSecrets => {
  const { store, signingKey } = deps
  const read = async (client: string): Promise<StoredRecord | undefined> => (await store.getRecords(kind, [client]))[0]
  const secretsOf = (client: string, record: StoredRecord | undefined): string[] => {
    const generation = numberOf(record, 'generation') ?? 1
    const rotatedAt = numberOf(record, 'rotatedAt') ?? Number.NEGATIVE_INFINITY
    const former = generation > 1 && store.now() - rotatedAt < overlapMs ? [generation - 1] : []
    return [generation, ...former].map((each) => webhookSecret(signingKey, client, each))
  }
  return {
    current: async (client) => secretsOf(client, await read(client)),
    rotate: async (client) => {
      for (;;) {
        const known = await read(client)
        const next: StoredRecord = {
          kind,
          id: client,
          owner: client,
          ref: null,
          rev: (known?.rev ?? 0) + 1,
          dueAt: null,
          expiresAt: null,
          body: { generation: (numberOf(known, 'generation') ?? 1) + 1, rotatedAt: store.now() },
        }
        const [taken] = await store.putRecords([next])
        if (taken) return secretsOf(client, next)
      }
    },
  }
}

const numberOf = (record: StoredRecord | undefined, field: string): number | undefined => {
  const value = record?.body[field]
  return typeof value === 'number' ? value : undefined
}
