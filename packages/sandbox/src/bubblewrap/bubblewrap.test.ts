import { sandboxConformance } from '../conformance/conformance.ts'
import { type BubblewrapOptions, createBubblewrapDriver } from './driver.ts'

function subject(name: string, options: Omit<BubblewrapOptions, 'stateDir'>, escapes = false) {
  sandboxConformance({
    name,
    ...{ isolates: true, escapes },
    create: (stateDir) => createBubblewrapDriver({ ...options, stateDir }),
    elsewhere: {
      module: new URL('./driver.ts', import.meta.url).href,
      factory: 'createBubblewrapDriver',
      options: { ...options },
    },
  })
}

subject('bubblewrap', { users: { first: 310_000, count: 50 } }, true)
subject('bubblewrap without cgroups', { cgroups: 'off', users: { first: 310_100, count: 50 } })
