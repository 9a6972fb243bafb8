import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { outside, type Rig } from '../rig.ts'
import { createRange, ESCAPES, type Range } from './escapes.ts'

/** Attempts that do no harm where they work, and work for the host's own root: so they are attempts indeed. */
const CONTROLS = [
  ...['host-path', 'proc-root', 'other-workspace', 'signal-the-host', 'trace-the-host', 'host-loopback'],
  ...['abstract-socket', 'new-user-namespace', 'clone-namespaces', 'raw-socket', 'userfaultfd'],
]

export function escapes(rig: () => Rig): void {
  describe('escapes', () => {
    let made: Range | undefined
    const range = () => {
      if (made === undefined) throw new Error('the range exists only while a test runs')
      return made
    }
    beforeAll(async () => {
      made = await createRange(rig())
    })
    afterAll(() => made?.close())

    it.each(ESCAPES)('$group: $name', async (attempted) => {
      const { held, said, reason } = await range().run(attempted)
      expect({ held, said }).toEqual({ held: true, said: '' })
      if (attempted.ends) expect(['memory', 'disk', 'processes', 'time']).toContain(reason)
    })

    it.runIf(process.getuid?.() === 0).each(CONTROLS)('without a sandbox it works: %s', async (name) => {
      const control = ESCAPES.find((one) => one.name === name)
      const { stdout } = await outside(control?.attempt(range().target) ?? [])
      expect(stdout).toContain('ESCAPED')
    })
  })
}
