/** `tutti job …`: jobs from the terminal. */
import { isTerminal, type JobEventView, type JobExplanation, type JobStatus, type JobView } from '@tutti/contracts'
import type { Command } from 'commander'
import { clientOf, demandOrchestrator } from '../connect.ts'
import { addJobActions } from './job-actions.ts'
import { defaultDataDir } from './options.ts'
import { jsonFlag, type OutputFlags, printAll, printJson, readJsonObject, wholeNumber } from './print.ts'

const eventLine = ({ seq, timestamp, event_type, state, data }: JobEventView): string =>
  `${String(seq).padStart(4)}  ${timestamp}  ${event_type.padEnd(20)} ${state.padEnd(16)} ${JSON.stringify(data)}`

const explanation = (task: JobExplanation['tasks'][number]): string => {
  const { skill, attempt, worker_id, possible, rate_limited, workers } = task
  const state =
    worker_id !== null
      ? `${worker_id} works on it`
      : possible
        ? 'waits for a free hand'
        : workers.length === 0
          ? 'no worker is registered'
          : 'no worker that is registered can take it'
  const limited = rate_limited ? ', and hand-outs of this skill are limited' : ''
  const lines = workers.map(({ worker_id: id, why_not }) => `  ${id} ${why_not ?? 'may take it'}\n`)
  return `${skill}, try ${attempt}: ${state}${limited}\n${worker_id === null ? lines.join('') : ''}`
}

const jobLine = ({ id, status, blueprint, current_state, created_at }: JobView): string =>
  `${id}  ${status.padEnd(20)} ${blueprint.padEnd(20)} ${current_state.padEnd(16)} ${created_at}`

interface ListFlags extends OutputFlags {
  limit: number
  status?: string
  blueprint?: string
  tag?: string
}

export const addJob = (program: Command): void => {
  const job = program.command('job').description('start jobs, follow them, steer them')
  const client = async () => clientOf(await demandOrchestrator(process.env, defaultDataDir(process.env)))

  job
    .command('start <blueprint>')
    .description('create a job')
    .option('--input <json>', 'its input as JSON; @FILE reads a file', '{}')
    .option('--watch', 'print its log until it ends', false)
    .action(async (blueprint: string, { input, watch }: { input: string; watch: boolean }) => {
      const given = await readJsonObject('--input', input)
      const api = await client()
      const { job_id } = await api.jobs.create({ blueprint, input: given })
      if (!watch) return printJson({ job_id })
      for await (const event of api.jobs.stream(job_id)) process.stdout.write(`${eventLine(event)}\n`)
      const { status } = await api.jobs.get(job_id)
      process.exitCode = status === 'finished' ? 0 : 1
    })
  job
    .command('watch <id>')
    .description('print its log until it ends')
    .option('--since <seq>', 'go on after this line', wholeNumber, 0)
    .action(async (id: string, { since }: { since: number }) => {
      const api = await client()
      for await (const event of api.jobs.stream(id, { since })) process.stdout.write(`${eventLine(event)}\n`)
    })
  job
    .command('list')
    .description('the newest jobs')
    .option('--limit <n>', 'how many', wholeNumber, 20)
    .option('--status <status>', 'only those in this one; several with commas between them')
    .option('--blueprint <name>', 'only those of this blueprint')
    .option('--tag <tag>', 'only those with this tag')
    .option(...jsonFlag)
    .action(async ({ json, status, ...filter }: ListFlags) => {
      const page = { ...filter, ...(status === undefined ? {} : { status: status.split(',') as JobStatus[] }) }
      printAll({ json }, (await (await client()).jobs.page(page)).items, jobLine)
    })
  job
    .command('show <id>')
    .description('all there is to know about a job')
    .action(async (id: string) => printJson(await (await client()).jobs.get(id)))
  job
    .command('explain <id>')
    .description('why it waits, and why which worker does not take its task')
    .action(async (id: string) => {
      const { because, tasks } = await (await client()).jobs.explain(id)
      process.stdout.write(`${because}\n`)
      for (const task of tasks) process.stdout.write(explanation(task))
    })
  job
    .command('approve <id> [decision]')
    .description('decide what it waits for')
    .action(async (id: string, decision = 'approved') => {
      await (await client()).jobs.approve(id, { decision })
    })
  job
    .command('cancel <id>')
    .description('end it')
    .action(async (id: string) => {
      const api = await client()
      await api.jobs.cancel(id)
      const { status } = await api.jobs.get(id)
      process.stdout.write(`${id} ${status}\n`)
      process.exitCode = isTerminal(status) ? 0 : 1
    })
  addJobActions(job, client)
}
