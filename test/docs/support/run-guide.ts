/** Executes a guide: its blueprints in a real orchestrator, its servers and workers as processes, its commands and programs in order. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { Block } from './blocks.ts'
import { orchestratorAlone, type Surroundings, serversOfItsOwn } from './guide-servers.ts'
import { planOf } from './plan.ts'
import { repository } from './repository.ts'
import { runProgram, startServer, type Terminal } from './terminal.ts'

export interface GuideRun {
  /** Blueprints, workers, commands and programs that were executed. */
  executed: number
}

/** Stands before what the machine has. */
const programs = join(import.meta.dirname, 'bin')

/** A guide that starts servers talks to those; any other finds an orchestrator that has its blueprints. */
export const runGuide = async (path: string): Promise<GuideRun> => {
  const { steps } = planOf(await readFile(join(repository, path), 'utf8'), [])
  const folder = await scratchFolder()
  for (const { kind, block, ...step } of steps) {
    if ('name' in step) await writeFile(join(folder, basename(step.name)), block.text)
    if (kind === 'blueprint') await writeFile(blueprintFile(folder, block), block.text)
  }
  const surroundings = steps.some(({ kind }) => kind === 'server') ? serversOfItsOwn : orchestratorAlone
  const { env: around, asHere } = await surroundings(folder)
  const env = { ...around, PATH: [programs, join(repository, 'node_modules/.bin'), around.PATH].join(':') }
  const terminal: Terminal = { folder, env, path, servers: [] }
  // All at once: a worker that drains waits for a poll, which an orchestrator that ends answers.
  onTestFinished(async () => void (await Promise.all(terminal.servers.map((stop) => stop()))))
  const here = (block: Block): Block => (block.language === 'ts' ? block : { ...block, text: asHere(block.text) })

  for (const step of steps) {
    if (step.kind === 'worker') await startWorker(folder, step.block, env)
    if (step.kind === 'server' && step.output)
      await startServer(terminal, here(step.block), partOf(asHere(step.output.text)))
    if (step.kind !== 'program') continue
    const printed = await runProgram(terminal, here(step.block))
    if (step.output) expect(printed, `${path}:${step.output.line}`).toMatch(wholeOf(asHere(step.output.text)))
  }
  return { executed: steps.length }
}

/** Below the repository, so that the examples find its packages as a reader's own files would. */
const scratchFolder = async (): Promise<string> => {
  const parent = join(repository, 'test', 'docs', 'tmp')
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(join(parent, 'guide-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'blueprints'))
  await symlink(join(repository, 'examples'), join(folder, 'examples'))
  return folder
}

const blueprintFile = (folder: string, { line, language }: Block): string =>
  join(folder, 'blueprints', `line-${line}.${language}`)

const startWorker = async (folder: string, { line, text }: Block, env: Surroundings['env']): Promise<void> => {
  const file = join(folder, `worker-line-${line}.ts`)
  await writeFile(file, text)
  const tutti = join(repository, 'apps', 'cli', 'src', 'main.ts')
  const worker = spawn(process.execPath, [tutti, 'worker', file], {
    env: { ...env, LOG_LEVEL: 'ERROR' },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  onTestFinished(() => end(worker))
}

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await gone
}

/** The output as a guide shows it: `…` stands for any text. */
const patternOf = (text: string): string =>
  text
    .trim()
    .split('…')
    .map((part) => RegExp.escape(part))
    .join('[\\s\\S]*')

const wholeOf = (text: string): RegExp => new RegExp(`^\\s*${patternOf(text)}\\s*$`)
const partOf = (text: string): RegExp => new RegExp(patternOf(text))
