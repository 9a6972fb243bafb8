/** Bodies that nest without end. */
import { TuttiError } from '@tutti/contracts'

/** What checks and writes values goes down by recursion: somewhere behind a thousand levels it would end in an overflow, and a 500. */
const deepest = 200

/** @throws TuttiError INVALID_BODY */
export const refuseNesting = (body: unknown): void => {
  let level = [body].filter(isNested)
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > deepest)
      throw new TuttiError('INVALID_BODY', `body: arrays and objects lie deeper than ${deepest} in each other`, {
        path: 'body',
      })
    level = level.flatMap((value) => Object.values(value).filter(isNested))
  }
}

const isNested = (value: unknown): value is object => typeof value === 'object' && value !== null
