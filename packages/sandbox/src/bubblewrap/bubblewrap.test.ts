import { sandboxConformance } from '../conformance/conformance.ts'
import { type BubblewrapOptions, createBubblewrapDriver } from './driver.ts'

function subject(name: string, options: Omit<BubblewrapOptions, 'stateDir'>) {
  sandboxConformance({
    name,
    // Its bombs would end what other test files run beside it: they are made by `node scripts/escapes.ts`.
    ...{ isolates: true, escapes: process.env.TUTTI_ESCAPES === '1' },
    create: (stateDir) => createBubblewrapDriver({ ...options, stateDir }),
    elsewhere: {
      module: new URL('./driver.ts', import.meta.url).href,
      factory: 'createBubblewrapDriver',
      options: { ...options },
    },
  })
}

subject('bubblewrap', { users: { first: 310_000, count: 50 } })
subject('bubblewrap without cgroups', { cgroups: 'off', users: { first: 310_100, count: 50 } })
