/** The demo as a program of its own would do it: everything through the public APIs. */
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { agentResult, type JobEventView, type JobView } from '@tutti/contracts'
import { createLogger } from '@tutti/telemetry'
import { z } from 'zod'
import { stackOptions } from '../commands/options.ts'
import { type Address, clientOf, workbenchOf } from '../connect.ts'
import { repositoryRoot } from '../repository.ts'
import { createSessionPrinter } from '../session-printer.ts'
import { findRunning } from '../stack/data-dir.ts'
import type { Environment } from '../stack/process.ts'
import { type Stack, startStack } from '../stack/stack.ts'
import { createProgress } from './progress.ts'
import { type DemoSummary, story, tasksPerWorker } from './summary.ts'
import { startWorkerProcess } from './workers.ts'

export interface DemoOptions {
  folder: string
  sandbox: 'bubblewrap' | 'docker' | 'none'
  storage: 'postgres' | 'memory' | 'redis'
  split: boolean
  json: boolean
  dataDir: string
  env: Environment
}

export class DemoError extends Error {
  override readonly name = 'DemoError'
}

const example = join(repositoryRoot, 'examples', 'folder-report')

/** What the blueprint folder_report gives as its result. */
const resultSchema = z.object({
  measurement: z.looseObject({ files: z.int(), lines: z.int(), words: z.int() }),
  report: z.object({ object_key: z.string() }),
  agent: agentResult,
})

/** @throws DemoError when a step did not truly happen; nothing is left running either way */
export const runDemo = async (options: DemoOptions): Promise<void> => {
  const { folder, json, dataDir } = options
  const say = (text: string): void => {
    if (!json) process.stdout.write(text)
  }
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw new DemoError(`${folder} is no folder`)
  await startAfresh(dataDir)
  // What a server logs is not the demo's story; what goes wrong is.
  const env = { LOG_LEVEL: 'WARNING', ...options.env }
  const log = createLogger({ level: 'WARNING', format: 'text', name: 'demo' }, { destination: process.stderr })
  const closers: (() => Promise<void>)[] = []
  let stopping = false
  const stopAll = async (): Promise<void> => {
    if (stopping) return
    stopping = true
    await Promise.all(closers.splice(1).map((close) => close()))
    await closers[0]?.()
  }
  const interrupted = (): void => void stopAll().then(() => process.exit(130))
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  try {
    say(`Starting the stack in ${dataDir} …\n`)
    const stack = await startStack(
      stackOptions(
        {
          dataDir,
          host: '127.0.0.1',
          apiPort: 0,
          port: 0,
          managerPort: 0,
          split: options.split,
          storage: options.storage,
          sandbox: options.sandbox,
          blueprints: join(example, 'blueprints'),
          allowFolder: [folder],
        },
        env,
        log,
      ),
    )
    closers.push(stack.stop)
    const died = Promise.withResolvers<never>()
    for (const id of ['worker-1', 'worker-2']) {
      const worker = startWorkerProcess({
        id,
        file: join(example, 'worker.ts'),
        env: {
          ...env,
          ORCHESTRATOR_URL: stack.apiUrl,
          WORKER_TOKEN: stack.secrets.workerToken,
          FOLDER_ROOTS: folder,
        },
        onDeath: died.reject,
      })
      closers.push(worker.stop)
    }
    const address = { apiUrl: stack.apiUrl, backendUrl: stack.backendUrl, clientToken: stack.secrets.clientToken }
    const { job, history } = await Promise.race([runJob(address, folder, say), died.promise])
    const summary = await check(address, stack, options, job, history)
    if (json) process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`)
    else say(story(summary, job, history, dataDir))
  } finally {
    process.off('SIGINT', interrupted)
    process.off('SIGTERM', interrupted)
    await stopAll()
  }
}

/** A demo begins with nothing. Only a directory that a demo made, and that no stack uses, is emptied. */
const startAfresh = async (dataDir: string): Promise<void> => {
  const running = await findRunning(dataDir)
  if (running) throw new DemoError(`a stack is running on ${dataDir} (process ${running.pid}): stop it first`)
  const entries = await readdir(dataDir).catch((): string[] => [])
  if (entries.length > 0 && !entries.includes('version'))
    throw new DemoError(`${dataDir} holds something else than a demo's state: name another folder with --data-dir`)
  const { stopLeftBehind } = await import('./left-behind.ts')
  await stopLeftBehind(dataDir)
  await rm(dataDir, { recursive: true, force: true })
  await mkdir(dataDir, { recursive: true })
}

/** Creates the job, watches it, shows what the agent does, approves, and waits for the end. */
const runJob = async (
  address: Address,
  folder: string,
  say: (text: string) => void,
): Promise<{ job: JobView; history: JobEventView[] }> => {
  const client = clientOf(address)
  const { job_id } = await client.jobs.create({ blueprint: 'folder_report', input: { folder } })
  say(`Job ${job_id} on ${folder}\n\n`)
  const progress = createProgress(say)
  const agentDone = new AbortController()
  let watching: Promise<void> = Promise.resolve()
  for await (const event of client.jobs.stream(job_id)) {
    if (event.event_type === 'task_finished' && event.state === 'write') {
      agentDone.abort()
      await watching
    }
    progress(event)
    if (event.event_type === 'state_entered' && event.state === 'write')
      watching = watchAgent(address, job_id, agentDone.signal, say)
    if (event.event_type === 'approval_requested')
      await client.jobs.approve(job_id, { decision: 'approved', comment: 'read by the demo' })
  }
  agentDone.abort()
  await watching
  const [job, history] = await Promise.all([client.jobs.get(job_id), client.jobs.history(job_id)])
  return { job, history }
}

const watchAgent = async (
  address: Address,
  jobId: string,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<void> => {
  const workbench = workbenchOf(address)
  const printer = createSessionPrinter(say, '    ')
  try {
    const session = await sessionOf(address, jobId, signal)
    if (!session) return
    say(`  agent session ${session.session_id}\n`)
    for await (const frame of workbench.sessions.stream(session.session_id, { signal })) printer.print(frame)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    printer.end()
  }
}

/** The agent's session appears when a manager has claimed the run. */
const sessionOf = async (address: Address, jobId: string, signal: AbortSignal) => {
  const workbench = workbenchOf(address)
  while (!signal.aborted) {
    const [session] = await workbench.sessions.list({ job_id: jobId, limit: 1 })
    if (session) return session
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return undefined
}

/** Every step, seen to have happened: from the job's log, the session's rows, and the file on this disk. */
const check = async (
  address: Address,
  stack: Stack,
  { dataDir, sandbox }: DemoOptions,
  job: JobView,
  history: JobEventView[],
): Promise<DemoSummary> => {
  const workbench = workbenchOf(address)
  if (job.status !== 'finished')
    throw new DemoError(`the job ended as ${job.status}: ${job.error ? `${job.error.code} ${job.error.message}` : ''}`)
  const result = resultSchema.safeParse(job.result)
  if (!result.success) throw new DemoError(`the job's result is not whole: ${z.prettifyError(result.error)}`)
  const { report, agent } = result.data
  const states = history.filter((event) => event.event_type === 'state_entered').map((event) => event.state)
  for (const state of ['measure', 'write', 'review', 'done'])
    if (!states.includes(state)) throw new DemoError(`the job never entered the state ${state}`)

  const [messages, tools, files] = await Promise.all([
    workbench.sessions.messages(agent.session_id),
    workbench.sessions.toolExecutions(agent.session_id),
    workbench.sessions.files(agent.session_id),
  ])
  if (tools.length === 0) throw new DemoError('the agent used no tool')
  const file = files.find((each) => each.key === report.object_key)
  if (!file) throw new DemoError(`the report ${report.object_key} is not in object storage`)
  const path = join(dataDir, 'report', 'REPORT.md')
  await mkdir(join(dataDir, 'report'), { recursive: true })
  await workbench.download(file, path)
  const { size } = await stat(path)
  if (size === 0) throw new DemoError('the report is empty')

  const workers = tasksPerWorker(history)
  const [first, last] = [history[0], history.at(-1)]
  return {
    job: {
      id: job.id,
      status: job.status,
      blueprint: job.blueprint,
      duration_ms: first && last ? Date.parse(last.timestamp) - Date.parse(first.timestamp) : 0,
      events: history.length,
    },
    report: { path, bytes: size, object_key: report.object_key },
    session: {
      id: agent.session_id,
      messages: messages.length,
      tool_calls: tools.length,
      input_tokens: agent.input_tokens,
      output_tokens: agent.output_tokens,
      cost_usd: agent.cost_usd,
    },
    workers,
    model: agent.model === 'scripted' || stack.model === 'scripted' ? 'scripted' : agent.model,
    sandbox,
    storage: stack.storage,
  }
}
