import type { Client } from '../toml/clients.ts'
import { findByToken, hashToken } from './tokens.ts'

export interface ClientDirectory {
  /** The client that the token belongs to; `null` for a token that is missing, empty or unknown. */
  authenticate(token: string | null | undefined): Client | null
  /** The client of this id; `null` when there is none (any more). */
  client(id: string): Client | null
  /** Takes the clients of a file that was read again. A token that is no longer in it stops working at once. */
  replace(clients: readonly Client[]): void
}

export interface ClientDirectoryOptions {
  /** `null` when no clients.toml is configured; an empty list is a file that lets nobody in. */
  clients: readonly Client[] | null
  /** CLIENT_TOKEN. It counts only without a file; empty or `null` lets nobody in. */
  fallbackToken?: string | null
}

/**
 * Who a client token belongs to. The fall-back token makes the client `default` with the role operator: the one token of
 * a small installation must be able to reload its files, and must not be able to wipe its store.
 */
export function clientDirectory({ clients, fallbackToken }: ClientDirectoryOptions): ClientDirectory {
  let entries = clients ?? (fallbackToken ? [fallbackClient(fallbackToken)] : [])
  return {
    authenticate: (token) => findByToken(entries, token),
    client: (id) => entries.find((entry) => entry.id === id) ?? null,
    replace: (next) => {
      entries = next
    },
  }
}

function fallbackClient(token: string): Client {
  return {
    id: 'default',
    tokenHash: hashToken(token),
    plan: null,
    role: 'operator',
    monthlyAttempts: null,
    rateLimit: null,
    webhookUrl: null,
    params: {},
  }
}
