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

/** For tests of what works on a Store. */
export { aChange, accept, aJob, anEvent, aTask, aTimer, ended, fenceOf, here, leaseOne, next } from './subject.ts'
export type { Subject }

const suites = {
  commit: commitSuite,
  fences: fencesSuite,
  contention: contentionSuite,
  'hand-out': handOutSuite,
  'leases of tasks': leasesSuite,
  'concurrency keys': keysSuite,
  'fair turns': turnsSuite,
  'tasks that nobody takes': pickUpSuite,
  timers: timersSuite,
  'leases of jobs': jobLeaseSuite,
  queries: queriesSuite,
  workers: workersSuite,
  records: recordsSuite,
  budgets: drawSuite,
  'the feed': feedSuite,
  upkeep: upkeepSuite,
  news: newsSuite,
  'odd data': oddDataSuite,
}
export type Suite = keyof typeof suites

/** @param only these suites, where another adapter's run has shown the rest; left out: all */
export const storeConformance = (name: string, make: () => Promise<Subject>, only?: readonly Suite[]): void => {
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
    const chosen = only ?? (Object.keys(suites) as Suite[])
    for (const suite of chosen) describe(suite, () => suites[suite](current))
  })
}
