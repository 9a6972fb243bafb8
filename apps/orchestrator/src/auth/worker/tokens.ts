/**
 * Short-lived tokens in place of a worker's own. Only their hashes are kept, as records of the Store, so any instance knows them.
 *
 * A refresh token is good once and brings the next pair. Tokens that stem from one sign-in are a family: when a refresh token comes
 * a second time, one of the two callers has stolen it, nobody can tell which, and the whole family ends.
 */
import { randomBytes } from 'node:crypto'
import { hashToken } from '@tutti/config'
import { type IssuedTokens, type JsonObject, TuttiError } from '@tutti/contracts'
import type { Store, StoredRecord } from '@tutti/engine'

export interface WorkerTokens {
  /** @param proof hash of the token that the worker signed in with; null for a certificate */
  issue(worker: string, proof: string | null): Promise<IssuedTokens>
  /** @throws TuttiError UNAUTHENTICATED: sign in anew */
  refresh(refreshToken: string, worker: string | undefined): Promise<IssuedTokens>
  find(accessToken: string): Promise<{ worker: string; proof: string | null } | undefined>
}

export interface WorkerTokensDeps {
  records: Pick<Store, 'now' | 'putRecords' | 'getRecords' | 'listRecords' | 'dropRecords'>
  accessMs: number
  refreshMs: number
  /** Whether a worker's own token is still the one with this hash. A family ends with the token that it began with. */
  isCurrent: (worker: string, tokenHash: string) => boolean
}

const kind = 'worker_token'
/** By this a request's token is known to be worth a look into the Store. */
const prefix = 'wat_'
export const isAccessToken = (token: string): boolean => token.startsWith(prefix)

interface Held {
  use: 'access' | 'refresh'
  worker: string
  proof: string | null
  spent: boolean
}

export const createWorkerTokens = ({ records, accessMs, refreshMs, isCurrent }: WorkerTokensDeps): WorkerTokens => {
  const find = async (token: string, use: Held['use']) => {
    const [record] = await records.getRecords(kind, [hashToken(token)])
    if (!record || (record.expiresAt !== null && record.expiresAt <= records.now())) return undefined
    const held = record.body as unknown as Held
    if (held.use !== use || !stands(held)) return undefined
    return { record, held }
  }
  const stands = ({ worker, proof }: Held): boolean => proof === null || isCurrent(worker, proof)

  const issue = async (worker: string, proof: string | null, family: string): Promise<IssuedTokens> => {
    const now = records.now()
    const access = prefix + randomBytes(32).toString('base64url')
    const refresh = `wrt_${randomBytes(32).toString('base64url')}`
    const record = (token: string, use: Held['use'], lastsMs: number): StoredRecord => ({
      kind,
      id: hashToken(token),
      owner: null,
      ref: family,
      rev: 1,
      dueAt: null,
      expiresAt: now + lastsMs,
      body: { use, worker, proof, spent: false },
    })
    await records.putRecords([record(access, 'access', accessMs), record(refresh, 'refresh', refreshMs)])
    return { access_token: access, refresh_token: refresh, expires_in: Math.round(accessMs / 1000), worker_id: worker }
  }

  const endFamily = async (family: string): Promise<void> => {
    for (;;) {
      const found = await records.listRecords({ kind, ref: family, limit: 100 })
      if (found.length === 0) return
      await records.dropRecords(
        kind,
        found.map(({ id }) => id),
      )
    }
  }

  return {
    issue: (worker, proof) => issue(worker, proof, crypto.randomUUID()),
    refresh: async (token, worker) => {
      const found = await find(token, 'refresh')
      if (!found || (worker !== undefined && worker !== found.held.worker)) throw ended()
      const { record, held } = found
      const family = record.ref ?? ''
      // The next pair is there before the old token is spent: whoever comes second then ends a family that is whole.
      const next = await issue(held.worker, held.proof, family)
      const spent: JsonObject = { ...record.body, spent: true }
      const [first] = held.spent ? [false] : await records.putRecords([{ ...record, rev: record.rev + 1, body: spent }])
      if (first) return next
      await endFamily(family)
      throw ended()
    },
    find: async (token) => {
      const found = await find(token, 'access')
      return found && { worker: found.held.worker, proof: found.held.proof }
    },
  }
}

const ended = (): TuttiError =>
  new TuttiError('UNAUTHENTICATED', 'Unauthorized: The refresh token is unknown, used or too old; sign in anew')
