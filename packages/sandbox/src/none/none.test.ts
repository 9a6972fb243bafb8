import { sandboxConformance } from '../conformance/conformance.ts'
import { createNoneDriver } from './driver.ts'

sandboxConformance({
  name: 'none',
  isolates: false,
  create: () => createNoneDriver(),
  elsewhere: { module: new URL('./driver.ts', import.meta.url).href, factory: 'createNoneDriver', options: {} },
})
