/**
 * Git as the changes of a run are seen with it: an index and objects of its own beside those of the repository, so that
 * nothing of the agent's work (its index, its branches, its objects) is ever touched.
 */
import { spawn } from 'node:child_process'

export interface GitPlaces {
  /** The repository whose work tree is looked at. */
  gitDir: string
  /** The folder whose files are watched. */
  workTree: string
  /** Private: what the run began with. */
  index: string
  /** Private: contents that the repository has not. */
  objects: string
  /** Private: patterns of what is not looked at. */
  exclude: string
}

export interface GitAnswer {
  code: number | null
  stdout: Buffer
}

/** Runs one command; `input` is its standard input. Output past `maxBytes` ends it. Rejects only where git can't be started. */
export type Git = (args: readonly string[], options?: { input?: string; maxBytes?: number }) => Promise<GitAnswer>

const mostBytes = 64 * 1024 * 1024

/** The repository's own configuration must not start programs, and paths are names, not patterns. */
const settings = [
  ...['core.fsmonitor=false', 'core.quotePath=false', 'core.hooksPath=/dev/null', 'safe.directory=*'],
  // The contents are for a diff of this run: what a crash of the machine loses is read again.
  ...['core.looseCompression=0', 'core.fsync=none'],
]

export const createGit = (places: GitPlaces, env: NodeJS.ProcessEnv): Git => {
  const environment = {
    PATH: env.PATH,
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_DIR: places.gitDir,
    GIT_WORK_TREE: places.workTree,
    GIT_INDEX_FILE: places.index,
    GIT_OBJECT_DIRECTORY: places.objects,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: `${places.gitDir}/objects`,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_TERMINAL_PROMPT: '0',
  }
  const options = [...settings, `core.excludesFile=${places.exclude}`].flatMap((setting) => ['-c', setting])
  return (args, { input, maxBytes = mostBytes } = {}) =>
    run([...options, ...args], {
      cwd: places.workTree,
      env: environment,
      maxBytes,
      ...(input === undefined ? {} : { input }),
    })
}

/** Git without any of this, to find out where a repository is. */
export const plainGit = (folder: string, env: NodeJS.ProcessEnv): Git => {
  const environment = { PATH: env.PATH, HOME: '/nonexistent', LC_ALL: 'C', GIT_CONFIG_NOSYSTEM: '1' }
  return (args) => run(['-c', 'safe.directory=*', ...args], { cwd: folder, env: environment, maxBytes: mostBytes })
}

interface RunOptions {
  cwd: string
  env: NodeJS.ProcessEnv
  input?: string
  maxBytes: number
}

const run = (args: readonly string[], { cwd, env, input, maxBytes }: RunOptions): Promise<GitAnswer> =>
  new Promise((resolve, reject) => {
    const child = spawn('git', args, { cwd, env, stdio: ['pipe', 'pipe', 'ignore'] })
    const chunks: Buffer[] = []
    let size = 0
    child.on('error', reject)
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > maxBytes) child.kill('SIGKILL')
      else chunks.push(chunk)
    })
    // A git that ends before it has read everything is told by its code.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    child.on('close', (code) => resolve({ code, stdout: Buffer.concat(chunks) }))
  })
