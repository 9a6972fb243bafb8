/** What a worker shows to be let in: its own token, or short-lived ones that it got for it. */
import { type IssuedTokens, issuedTokens } from '@tutti/contracts'

export interface Credentials {
  current(): string
  /** After `refused` was answered with 401. True when there is another token now: try once more. */
  renew(refused: string, signal: AbortSignal): Promise<boolean>
}

export interface CredentialsOptions {
  token: string
  /** Keep the token at home: sign in with it, and show short-lived tokens from then on. */
  shortLived: boolean
  /** Sends below /_worker/auth; undefined for any answer but a success. */
  post: (path: string, token: string, body: object, signal: AbortSignal) => Promise<unknown>
}

export const createCredentials = ({ token, shortLived, post }: CredentialsOptions): Credentials => {
  let held: IssuedTokens | undefined
  let renewing: Promise<boolean> | undefined

  const ask = async (path: string, with_: string, body: object, signal: AbortSignal): Promise<boolean> => {
    const answer = issuedTokens.safeParse(await post(path, with_, body, signal))
    held = answer.data
    return answer.success
  }
  const renew = async (signal: AbortSignal): Promise<boolean> => {
    const refresh = held?.refresh_token
    if (refresh !== undefined && (await ask('/auth/token/refresh', token, { refresh_token: refresh }, signal)))
      return true
    return ask('/auth/token', token, {}, signal)
  }

  return {
    // Before the first sign-in there is nothing to show; the refusal of that leads to it.
    current: () => (shortLived ? (held?.access_token ?? '') : token),
    renew: async (refused, signal) => {
      if (!shortLived) return false
      if (held !== undefined && held.access_token !== refused) return true
      // One at a time: a refresh token that comes twice would end all that stem from it.
      renewing ??= renew(signal).finally(() => {
        renewing = undefined
      })
      return renewing
    },
  }
}
