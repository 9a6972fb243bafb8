import { createBoundLateDriver } from '../conformance/bound-late.ts'
import { sandboxConformance } from '../conformance/conformance.ts'
import { ownUsers } from '../conformance/rig.ts'
import { type BubblewrapOptions, createBubblewrapDriver } from './driver.ts'

function subject(name: string, options: Omit<BubblewrapOptions, 'stateDir'>) {
  sandboxConformance({
    name,
    // A minute and more: every night, and by `node scripts/escapes.ts`.
    ...{ isolates: true, escapes: process.env.TUTTI_ESCAPES === '1' },
    create: (stateDir) => createBubblewrapDriver({ ...options, stateDir }),
    elsewhere: {
      module: new URL('./driver.ts', import.meta.url).href,
      factory: 'createBubblewrapDriver',
      options: { ...options },
    },
  })
}

subject('bubblewrap', { users: ownUsers(50) })
const late = { users: ownUsers(50) }
sandboxConformance({
  name: 'bubblewrap, started ahead',
  ...{ isolates: true, escapes: process.env.TUTTI_ESCAPES === '1' },
  create: (stateDir) => createBoundLateDriver({ ...late, stateDir }),
  elsewhere: {
    module: new URL('../conformance/bound-late.ts', import.meta.url).href,
    factory: 'createBoundLateDriver',
    options: late,
  },
})
subject('bubblewrap without cgroups', { cgroups: 'off', users: ownUsers(50) })
