/** Signatures of webhooks, as standardwebhooks.com writes them down (version 1, symmetric). */
import { createHmac, hkdfSync } from 'node:crypto'

const prefix = 'whsec_'

/**
 * A client's secret. It follows from the installation's signing key, so that no secret has to be stored; `generation` counts the times
 * the client asked for a new one. HKDF (RFC 5869), 32 bytes.
 */
export const webhookSecret = (signingKey: Buffer, client: string, generation: number): string => {
  const bytes = hkdfSync('sha256', signingKey, '', JSON.stringify(['webhook', client, generation]), 32)
  return prefix + Buffer.from(bytes).toString('base64')
}

export interface SignedHeaders {
  'webhook-id': string
  /** Unix seconds. */
  'webhook-timestamp': string
  'webhook-signature': string
}

/** One signature for each secret, so that a receiver may still hold the one before the last change. */
export const sign = (secrets: readonly string[], id: string, seconds: number, body: string): SignedHeaders => ({
  'webhook-id': id,
  'webhook-timestamp': String(seconds),
  'webhook-signature': secrets
    .map((secret) => {
      const key = Buffer.from(secret.slice(prefix.length), 'base64')
      return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`
    })
    .join(' '),
})
