/** The schedule file of the guide is one that a manager takes. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readPullSchedule } from '@tutti/config'
import { expect, test } from 'vitest'
import { repository } from './support/repository.ts'

test('the guide’s rules for managers are read as it says', async () => {
  const guide = await readFile(join(repository, 'docs/guides/agents.md'), 'utf8')
  const [, text = ''] = /```toml[^\n]*\n([\s\S]*?)```/.exec(guide) ?? []
  expect(readPullSchedule({ text, name: 'pull.toml' }).schedule).toMatchObject({
    enabled: true,
    rules: [
      { kind: 'interval', modes: ['immediate', 'scheduled'], everySeconds: 2, startImmediately: true },
      { kind: 'window', modes: ['nightly'], pattern: '0 30 22 * * mon,tue,wed,thu,fri *', windowMinutes: 450 },
    ],
  })
})
