/** The demo as a program of its own would do it: everything through the public APIs. */
import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { agentResult, type JobEventView, type JobView } from '@tutti/contracts'
import { createLogger, type Logger } from '@tutti/telemetry'
import { z } from 'zod'
import { stackOptions } from '../commands/options.ts'
import { type Address, clientOf, workbenchOf } from '../connect.ts'
import { repositoryRoot } from '../repository.ts'
import { createSessionPrinter } from '../session/printer.ts'
import type { Environment } from '../stack/process.ts'
import { type Stack, type StackOptions, startStack } from '../stack/stack.ts'
import { listenForStop, unlessStopped } from '../stop-signals.ts'
import { startAfresh } from './afresh.ts'
import { DemoError } from './fault.ts'
import { createProgress } from './progress.ts'
import { type DemoSummary, story, tasksPerWorker } from './summary.ts'
import { startWorkerProcess, type WorkerProcess } from './workers.ts'

export interface DemoOptions {
  folder: string
  sandbox: 'bubblewrap' | 'docker' | 'none'
  storage: 'postgres' | 'memory' | 'redis'
  split: boolean
  /** Takes the summary; without it the demo tells its story on stdout. */
  onSummary: ((summary: DemoSummary) => void) | undefined
  dataDir: string
  env: Environment
}

const example = join(repositoryRoot, 'examples', 'folder-report')

/** What the blueprint folder_report gives as its result. */
const resultSchema = z.object({
  measurement: z.looseObject({ files: z.int(), lines: z.int(), words: z.int() }),
  report: z.object({ object_key: z.string() }),
  agent: agentResult,
})

/** @throws DemoError when a step did not truly happen; InterruptedError. Nothing is left running either way */
export const runDemo = async (options: DemoOptions): Promise<void> => {
  const { folder, dataDir } = options
  const env = { LOG_LEVEL: 'WARNING', ...options.env }
  const stackWanted = stackOf(options, env)
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw new DemoError(`${folder} is no folder`)
  const stop = listenForStop()
  await startAfresh(dataDir)

  let stack: Stack | undefined
  const workers: WorkerProcess[] = []
  const died = Promise.withResolvers<never>()
  // Awaited only once the job runs; a worker may give up before.
  died.promise.catch(() => {})
  try {
    say(options, `Starting the stack in ${dataDir} …\n`)
    stack = await startStack({ ...stackWanted, signal: stop.signal })
    for (const id of ['worker-1', 'worker-2']) workers.push(startWorker(id, stack, folder, env, died.reject))
    await unlessStopped(Promise.race([tell(options, stack), died.promise]), stop.signal)
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()))
    await stack?.stop()
    stop.off()
  }
}

const say = ({ onSummary }: DemoOptions, text: string): void => {
  if (!onSummary) process.stdout.write(text)
}

const stackOf = ({ dataDir, split, storage, sandbox, folder }: DemoOptions, env: Environment): StackOptions => {
  // What a server logs is not the demo's story; what goes wrong is.
  const log: Logger = createLogger({ level: 'WARNING', format: 'text', name: 'demo' }, { destination: process.stderr })
  return stackOptions(
    {
      ...{ dataDir, split, storage, sandbox },
      host: '127.0.0.1',
      apiPort: 0,
      port: 0,
      managerPort: 0,
      blueprints: join(example, 'blueprints'),
      allowFolder: [folder],
    },
    env,
    log,
  )
}

const startWorker = (
  id: string,
  { apiUrl, secrets }: Stack,
  folder: string,
  env: Environment,
  onDeath: (error: Error) => void,
): WorkerProcess =>
  startWorkerProcess({
    id,
    file: join(example, 'worker.ts'),
    env: {
      ...env,
      ORCHESTRATOR_URL: apiUrl,
      WORKER_TOKEN: secrets.workerToken,
      // A token of the person's own worker would come before that.
      WORKER_INDIVIDUAL_TOKEN: '',
      FOLDER_ROOTS: folder,
    },
    onDeath,
  })

/** The job from its creation to its last line, checked, and told. */
const tell = async (options: DemoOptions, stack: Stack): Promise<void> => {
  const { onSummary, folder, dataDir } = options
  const address = { apiUrl: stack.apiUrl, backendUrl: stack.backendUrl, clientToken: stack.secrets.clientToken }
  const { job, history } = await runJob(address, folder, (text) => say(options, text))
  const summary = await check(address, stack, options, job, history)
  if (onSummary) onSummary(summary)
  else process.stdout.write(story(summary, job, history, dataDir))
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
    if (event.event_type === 'state_entered' && event.state === 'write') {
      watching = watchAgent(address, job_id, agentDone.signal, say)
      // Awaited when the agent is done; until then its failure must not end the process.
      watching.catch(() => {})
    }
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
