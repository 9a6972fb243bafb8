import { createHash, timingSafeEqual } from 'node:crypto'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Whether a header holds the token, in a time that tells nothing about where it differs. */
export const createTokenCheck = (token: string): ((offered: string | string[] | undefined) => boolean) => {
  const expected = digest(token)
  return (offered) => timingSafeEqual(digest(typeof offered === 'string' ? offered : ''), expected)
}
