/** Somebody with a stack that runs, who types commands beside it. */
import { join } from 'node:path'
import { type Outcome, run } from './processes.ts'
import { folderOf, freshDatabase, importable, scratch } from './scratch.ts'
import { type UpStack, up } from './stack.ts'

export const blueprints = {
  'greeting.ts': `import { blueprint } from ${importable('@tutti/engine')}
export default blueprint({ name: 'greeting', version: 1 })
  .state('greet', { start: true, to: ['review', 'broken'] }, ({ input, dispatch }) =>
    dispatch('greet', { name: input.name }, { on: { success: 'review', failure: 'broken' } }))
  .state('review', { to: ['done', 'broken'] }, ({ approval }) =>
    approval({ message: 'send it?', on: { approved: 'done', rejected: 'broken' } }))
  .end('done', ({ data }) => data)
  .end('broken', { outcome: 'failed' })
`,
}
/** The file of a worker that greets. */
export const worker = `import { defineWorker, skill } from ${importable('@tutti/worker')}
import { z } from ${importable('zod')}
const greet = skill({ params: z.object({ name: z.string() }), run: async ({ name }) => ({ greeting: 'Hello, ' + name }) })
export default defineWorker({ skills: { greet } })
`

export interface Person {
  folder: string
  stack: UpStack
  /** Types a command on the machine of the stack. */
  types(...args: string[]): Promise<Outcome>
}

export const personWithStack = async (): Promise<Person> => {
  const folder = await scratch()
  const dataDir = join(folder, 'data')
  await folderOf(join(folder, 'blueprints'), blueprints)
  await folderOf(join(folder, 'shared'), { 'README.md': '# Shared\n' })
  const args = ['--blueprints', join(folder, 'blueprints'), '--allow-folder', join(folder, 'shared')]
  const stack = await up(dataDir, args, { DATABASE_URL: await freshDatabase() })
  return { folder, stack, types: (...words) => run(words, { TUTTI_DATA_DIR: dataDir }) }
}
