/** What every Store must do, run on each adapter. Each test is named by the behaviour it holds or the hazard it meets. */
import { afterEach, beforeEach, describe } from 'vitest'
import { commitSuite } from './commit.ts'
import { contentionSuite } from './contention.ts'
import { drawSuite } from './draw.ts'
import { feedSuite } from './feed.ts'
import { fencesSuite } from './fences.ts'
import { handOutSuite } from './hand-out.ts'
import { jobLeaseSuite } from './job-leases.ts'
import { keysSuite } from './keys.ts'
import { leasesSuite } from './leases.ts'
import { newsSuite } from './news.ts'
import { oddDataSuite } from './odd-data.ts'
import { pickUpSuite } from './pick-up.ts'
import { queriesSuite } from './queries.ts'
import { recordsSuite } from './records.ts'
import type { Subject } from './subject.ts'
import { timersSuite } from './timers.ts'
import { turnsSuite } from './turns.ts'
import { upkeepSuite } from './upkeep.ts'
import { workersSuite } from './workers.ts'

export type { Subject }

export const storeConformance = (name: string, make: () => Promise<Subject>): void => {
  describe(`the Store promises, kept by ${name}:`, () => {
    let subject: Subject | undefined
    beforeEach(async () => {
      subject = await make()
    })
    afterEach(async () => {
      await subject?.close()
      subject = undefined
    })
    const current = (): Subject => {
      if (!subject) throw new Error('there is a subject only while a test runs')
      return subject
    }
    describe('commit', () => commitSuite(current))
    describe('fences', () => fencesSuite(current))
    describe('contention', () => contentionSuite(current))
    describe('hand-out', () => handOutSuite(current))
    describe('leases of tasks', () => leasesSuite(current))
    describe('concurrency keys', () => keysSuite(current))
    describe('fair turns', () => turnsSuite(current))
    describe('tasks that nobody takes', () => pickUpSuite(current))
    describe('timers', () => timersSuite(current))
    describe('leases of jobs', () => jobLeaseSuite(current))
    describe('queries', () => queriesSuite(current))
    describe('workers', () => workersSuite(current))
    describe('records', () => recordsSuite(current))
    describe('budgets', () => drawSuite(current))
    describe('the feed', () => feedSuite(current))
    describe('upkeep', () => upkeepSuite(current))
    describe('news', () => newsSuite(current))
    describe('odd data', () => oddDataSuite(current))
  })
}
