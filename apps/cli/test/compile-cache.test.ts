/** What `tutti` is made of is compiled once. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tuttiProgram } from '../src/repository.ts'
import { start } from './support/processes.ts'
import { scratch } from './support/scratch.ts'

const help = async (env: Record<string, string>): Promise<string> => {
  const started = start(process.execPath, [tuttiProgram, '--help'], env)
  const { code } = await started.ended
  expect([code, started.stderr()]).toEqual([0, ''])
  return started.stdout()
}

test('compiled-code-is-kept-in-a-folder-of-the-users-own, and a program without one starts all the same', async () => {
  const home = await scratch()
  const shown = await help({ HOME: home })
  expect(shown).toContain('Durable jobs')
  const [version = ''] = readdirSync(join(home, '.cache/tutti/compiled'))
  expect(readdirSync(join(home, '.cache/tutti/compiled', version)).length).toBeGreaterThan(100)
  expect(await help({ HOME: home })).toBe(shown)

  const elsewhere = await scratch()
  await help({ HOME: home, XDG_CACHE_HOME: elsewhere })
  expect(existsSync(join(elsewhere, 'tutti/compiled'))).toBe(true)
  expect(await help({ HOME: '/dev/null' })).toBe(shown)
})
