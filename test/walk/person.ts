/** A person with a terminal: a fresh data directory, `tutti up` on it, and commands that are typed beside it. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { RunView, SessionView } from '@tutti/contracts'
import { type Outcome, processesOf, run, type Started, tutti } from '../../apps/cli/test/support/processes.ts'
import { folderOf, scratch } from '../../apps/cli/test/support/scratch.ts'
import { type UpStack, up } from '../../apps/cli/test/support/stack.ts'

export interface Person {
  folder: string
  /** Starts the stack, on the data directory that it may have had before. */
  starts(env?: Record<string, string>): Promise<UpStack>
  /** Types a command and waits for its end. */
  types(...words: string[]): Promise<Outcome>
  /** Types a command that goes on. */
  begins(...words: string[]): Started
  session(id: string): Promise<SessionView & { runs: RunView[] }>
  /** Power cut: every process of the data directory, the database's as well, is gone. */
  pullsThePlug(): Promise<void>
}

export const person = async (): Promise<Person> => {
  const folder = await scratch()
  const dataDir = join(folder, 'data')
  const env = { TUTTI_DATA_DIR: dataDir }
  const types = (...words: string[]): Promise<Outcome> => run(words, env)
  return {
    folder,
    types,
    starts: (more = {}) => up(dataDir, [], more),
    begins: (...words) => tutti(words, env),
    session: async (id) => {
      const { stdout, stderr } = await types('session', 'show', id)
      if (stdout === '') throw new Error(stderr)
      return JSON.parse(stdout)
    },
    pullsThePlug: async () => {
      for (let left = processesOf(dataDir); left.length > 0; left = processesOf(dataDir))
        for (const { pid } of left) {
          try {
            process.kill(pid, 'SIGKILL')
          } catch {
            // It has ended in this moment.
          }
        }
    },
  }
}

/** A repository with everything committed. */
export const repository = async (folder: string, files: Record<string, string>): Promise<string> => {
  await folderOf(folder, files)
  const git = (...args: string[]) => execFileSync('git', ['-C', folder, ...args], { stdio: 'pipe' })
  git('init', '--quiet')
  git('add', '.')
  git('-c', 'user.name=A', '-c', 'user.email=a@example.org', 'commit', '--quiet', '-m', 'first')
  return folder
}

/** A prompt that says what the scripted model does. */
export const script = (...steps: object[]): string => `\`\`\`scripted\n${JSON.stringify(steps)}\n\`\`\``
export const bash = (command: string): object => ({ tool: 'Bash', input: { command } })

/** As the command that ends a turn tells it. */
export const sessionIn = ({ stdout }: { stdout: string }): string => {
  const [, id] = / · session ([0-9a-f-]{36})/.exec(stdout) ?? []
  if (id === undefined) throw new Error(`no session is told:\n${stdout}`)
  return id
}
