/** What is opened by the first test that wants it, and closed after the last. */
import { afterAll } from 'vitest'

export const shared = <T>(open: () => Promise<T>, close: (opened: T) => Promise<void>): (() => Promise<T>) => {
  let opened: Promise<T> | undefined
  afterAll(async () => {
    if (opened) await close(await opened)
  })
  return () => {
    opened ??= open()
    return opened
  }
}
