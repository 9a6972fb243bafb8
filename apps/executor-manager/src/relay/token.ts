import { randomBytes, timingSafeEqual } from 'node:crypto'

export const newToken = (): string => randomBytes(32).toString('base64url')

/** Whether a request carries the token, in a time that tells nothing about where it differs. How long a token is, is no secret. */
export const createTokenCheck = (token: string): ((authorization: string | undefined) => boolean) => {
  const expected = Buffer.from(`Bearer ${token}`)
  return (authorization = '') => {
    const given = Buffer.from(authorization)
    return given.length === expected.length && timingSafeEqual(given, expected)
  }
}
