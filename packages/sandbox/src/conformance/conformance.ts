import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ahead } from './ahead.ts'
import { escapes } from './escapes/suite.ts'
import { files } from './files.ts'
import { lifetime } from './lifetime.ts'
import { limits } from './limits.ts'
import { network } from './network.ts'
import { pausing } from './pause.ts'
import { privileges } from './privileges.ts'
import { createRig, type Rig, type Subject } from './rig.ts'

export type { Subject } from './rig.ts'

/**
 * What every adapter promises, as attacks with their controls. Adapters that do not isolate run what is left.
 * Fails, and does not skip, where the adapter cannot work: an untested sandbox is none.
 */
export function sandboxConformance(subject: Subject): void {
  describe(`sandbox: ${subject.name}`, { timeout: 60_000 }, () => {
    let made: Rig | undefined
    const rig = () => {
      if (made === undefined) throw new Error('the rig exists only while a test runs')
      return made
    }
    const { isolates } = subject
    beforeAll(() => {
      made = createRig(subject)
    })
    afterAll(() => made?.close())

    it('can work here', async () => {
      expect(await rig().driver.check()).toMatchObject({ ok: true })
      expect(rig().driver.isolates).toBe(isolates)
    })
    lifetime(rig, isolates)
    limits(rig, isolates)
    pausing(rig)
    ahead(rig)
    files(rig, isolates)
    if (isolates) network(rig)
    if (isolates) privileges(rig)
    if (subject.escapes) escapes(rig)
  })
}
