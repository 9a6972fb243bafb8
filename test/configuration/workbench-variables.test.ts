/** Every variable of the workbench's configuration document is read, has the default that the document writes, and does something. */
import { describe, expect, it } from 'vitest'
import type { Effects } from './effects/effects.ts'
import { files } from './workbench/files.ts'

const effects: Effects = { ...files }

describe.each(Object.keys(effects))('%s', (name) => {
  it('has its effect', { timeout: 30_000 }, async () => {
    await effects[name]?.()
  })
})
