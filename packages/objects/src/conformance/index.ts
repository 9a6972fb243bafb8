/**
 * What every object store must do. An adapter's test calls `objectStoreConformance` with a function that makes an empty
 * store; the suite runs under vitest.
 */
import { afterEach, beforeEach, describe } from 'vitest'
import { contentIsKept } from './content.ts'
import { contentIsWhole } from './integrity.ts'
import { keysAreApart } from './keys.ts'
import { listsAreComplete } from './listing.ts'
import { addressesOpenOne } from './presigned.ts'
import type { StoreUnderTest } from './subject.ts'

export { type PresignedAnswer, type PresignedRequest, type StoreUnderTest, validKey } from './subject.ts'

export const objectStoreConformance = (name: string, make: () => Promise<StoreUnderTest>): void => {
  describe(`object store conformance: ${name}`, () => {
    let made: StoreUnderTest | undefined
    const under = (): StoreUnderTest => {
      if (!made) throw new Error('only a test has a store')
      return made
    }
    const subject = { under, store: () => under().store }
    beforeEach(async () => {
      made = await make()
    })
    afterEach(() => under().close())

    contentIsKept(subject)
    contentIsWhole(subject)
    keysAreApart(subject)
    listsAreComplete(subject)
    addressesOpenOne(subject)
  })
}
