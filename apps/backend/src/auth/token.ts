import { createHash, timingSafeEqual } from 'node:crypto'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Whether both are the same, in a time that tells nothing about where they differ. */
export const sameToken = (offered: string, expected: string): boolean =>
  timingSafeEqual(digest(offered), digest(expected))
