/** Executes a guide: its blueprints in a real orchestrator, its workers as processes, its commands and programs in order. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { startOrchestrator } from '@tutti/orchestrator'
import { expect, onTestFinished } from 'vitest'
import { type Block, readBlocks } from './blocks.ts'
import { repository } from './repository.ts'

const execute = promisify(execFile)
const clientToken = 'client-token-of-the-guides-0123456789'
const workerToken = 'worker-token-of-the-guides-0123456789'

export interface GuideRun {
  /** Blueprints, workers, commands and programs that were executed. */
  executed: number
}

export const runGuide = async (path: string): Promise<GuideRun> => {
  const blocks = readBlocks(await readFile(join(repository, path), 'utf8'))
  const marked = blocks.filter(({ words }) => words[0] === 'run')
  const kind = (word: string): Block[] => marked.filter(({ words }) => words[1] === word)
  const folder = await scratchFolder()

  for (const { words, text } of blocks) {
    const name = words.find((word) => word.startsWith('file='))?.slice('file='.length)
    if (name !== undefined) await writeFile(join(folder, basename(name)), text)
  }
  const env = await startServer(folder, kind('blueprint'))
  for (const worker of kind('worker')) await startWorker(folder, worker, env)
  for (const [at, block] of blocks.entries()) {
    if (block.words[0] !== 'run' || block.words.length > 1) continue
    const printed = await execution(folder, block, env, `${path}:${block.line}`)
    const next = blocks[at + 1]
    if (next?.words[0] === 'output') expect(printed, `${path}:${next.line}`).toMatch(patternOf(next.text))
  }
  return { executed: marked.length }
}

/** Below the repository, so that the examples find its packages as a reader's own files would. */
const scratchFolder = async (): Promise<string> => {
  const parent = join(repository, 'test', 'docs', 'tmp')
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(join(parent, 'guide-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Known before the server starts: the links that it writes begin with its address. */
const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const startServer = async (folder: string, blueprints: Block[]): Promise<NodeJS.ProcessEnv> => {
  const blueprintsDir = join(folder, 'blueprints')
  await mkdir(blueprintsDir)
  for (const { language, line, text } of blueprints)
    await writeFile(join(blueprintsDir, `line-${line}.${language === 'json' ? 'json' : 'ts'}`), text)
  const port = await freePort()
  const server = await startOrchestrator({
    STORAGE: 'memory',
    API_HOST: '127.0.0.1',
    API_PORT: String(port),
    CLIENT_TOKEN: clientToken,
    GLOBAL_WORKER_TOKEN: workerToken,
    BLUEPRINTS_DIR: blueprintsDir,
    TASK_FILES_DIR: join(folder, 'files'),
    // Receivers of the examples listen on this machine.
    WEBHOOK_ALLOW_PRIVATE: 'true',
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    LOG_LEVEL: 'ERROR',
  })
  onTestFinished(server.stop)
  const url = `http://127.0.0.1:${server.port}`
  return {
    ...process.env,
    TUTTI_API_URL: url,
    TUTTI_CLIENT_TOKEN: clientToken,
    ORCHESTRATOR_URL: url,
    WORKER_TOKEN: workerToken,
    LOG_LEVEL: 'ERROR',
    NO_COLOR: '1',
  }
}

const startWorker = async (folder: string, { line, text }: Block, env: NodeJS.ProcessEnv): Promise<void> => {
  const file = join(folder, `worker-line-${line}.ts`)
  await writeFile(file, text)
  const tutti = join(repository, 'apps', 'cli', 'src', 'main.ts')
  const worker = spawn(process.execPath, [tutti, 'worker', file], { env, stdio: ['ignore', 'inherit', 'inherit'] })
  onTestFinished(() => end(worker))
}

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await gone
}

/** @returns what it printed */
const execution = async (folder: string, block: Block, env: NodeJS.ProcessEnv, name: string): Promise<string> => {
  const file = join(folder, `line-${block.line}.${block.language === 'ts' ? 'ts' : 'sh'}`)
  await writeFile(file, block.language === 'ts' ? block.text : shellScript(block.text))
  const program = block.language === 'ts' ? process.execPath : 'bash'
  try {
    const { stdout } = await execute(program, [file], { cwd: folder, env, timeout: 45_000 })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`${name} failed:\n${stdout}${stderr}`, { cause: error })
  }
}

/** A guide's commands are one terminal: what one block sets, the next one has. */
const shellScript = (commands: string): string =>
  `set -euo pipefail\n[ -f .state ] && . ./.state\nset -a\n${commands}\nset +a\ndeclare -px >.state\ndeclare -f >>.state\n`

/** The output as a guide shows it: `…` stands for any text. */
const patternOf = (text: string): RegExp => {
  const parts = text
    .trim()
    .split('…')
    .map((part) => RegExp.escape(part))
  return new RegExp(`^\\s*${parts.join('[\\s\\S]*')}\\s*$`)
}
