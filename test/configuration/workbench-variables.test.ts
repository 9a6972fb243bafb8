/** Every variable of the workbench's configuration document is read, has the default that the document writes, and does something. */
import { describe, it } from 'vitest'
import type { Effects } from './effects/effects.ts'
import { files } from './workbench/files.ts'
import { serving } from './workbench/serving.ts'
import { telling } from './workbench/telling.ts'
import { titles } from './workbench/titles.ts'

const effects: Effects = { ...files, ...serving, ...telling, ...titles }

describe.each(Object.keys(effects))('%s', (name) => {
  it('has its effect', { timeout: 30_000 }, async () => {
    await effects[name]?.()
  })
})
