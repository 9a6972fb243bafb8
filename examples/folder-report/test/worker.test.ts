import type { Task } from '@tutti/worker'
import { afterEach, expect, test, vi } from 'vitest'
import { folderWith } from './support.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.resetModules()
})

const task: Task = {
  taskId: 't',
  jobId: 'j',
  skill: 's',
  attempt: 1,
  priority: 0,
  deadline: null,
  traceparent: null,
  signal: new AbortController().signal,
  hot: { add: () => {}, remove: () => {} },
  progress: () => {},
  sendEvent: async () => {},
  folder: async () => '',
}
const loadSkills = async () => (await import('../worker.ts')).default.skills

test('scan and measure are skills, and what one gives the other takes', async () => {
  const folder = await folderWith({ 'a.md': '# A\n', 'b.md': '# B\n' })
  const skills = await loadSkills()
  expect(Object.keys(skills)).toEqual(['folder.scan', 'folder.measure'])
  const scan = await skills['folder.scan']?.execute({ folder }, task)
  expect(scan).toMatchObject({ root: folder, chunks: [['a.md'], ['b.md']] })
  const measured = await skills['folder.measure']?.execute({ folder, files: ['a.md', 'b.md'] }, task)
  expect(measured).toMatchObject({ files: 2, headings: 2 })
  await expect(skills['folder.scan']?.execute({ folder: 'relative' }, task)).rejects.toMatchObject({
    code: 'INVALID_INPUT_ERROR',
  })
})

test('FOLDER_ROOTS bounds both skills', async () => {
  const [allowed, other] = [await folderWith({ a: '' }), await folderWith({ a: '' })]
  vi.stubEnv('FOLDER_ROOTS', `${allowed}:/nowhere`)
  const skills = await loadSkills()
  expect(await skills['folder.scan']?.execute({ folder: allowed }, task)).toMatchObject({ files: [{ path: 'a' }] })
  await expect(skills['folder.scan']?.execute({ folder: other }, task)).rejects.toThrow('FOLDER_ROOTS')
  await expect(skills['folder.measure']?.execute({ folder: other, files: ['a'] }, task)).rejects.toThrow('FOLDER_ROOTS')
})
