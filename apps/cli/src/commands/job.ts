/** `tutti job …`: jobs from the terminal. */
import { readFile } from 'node:fs/promises'
import { isTerminal, type JobEventView } from '@tutti/contracts'
import type { Command } from 'commander'
import { clientOf, demandStack } from '../connect.ts'
import { defaultDataDir } from './options.ts'

const print = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

const eventLine = ({ seq, timestamp, event_type, state, data }: JobEventView): string =>
  `${String(seq).padStart(4)}  ${timestamp}  ${event_type.padEnd(20)} ${state.padEnd(16)} ${JSON.stringify(data)}`

export const addJob = (program: Command): void => {
  const job = program.command('job').description('start, watch, list, approve and cancel jobs')
  const client = async () => clientOf(await demandStack(process.env, defaultDataDir(process.env)))

  job
    .command('start <blueprint>')
    .description('create a job')
    .option('--input <json>', 'its input as JSON; @FILE reads a file', '{}')
    .option('--watch', 'print its log until it ends', false)
    .action(async (blueprint: string, { input, watch }: { input: string; watch: boolean }) => {
      const text = input.startsWith('@') ? await readFile(input.slice(1), 'utf8') : input
      const api = await client()
      const { job_id } = await api.jobs.create({ blueprint, input: JSON.parse(text) })
      if (!watch) return print({ job_id })
      for await (const event of api.jobs.stream(job_id)) process.stdout.write(`${eventLine(event)}\n`)
      const { status } = await api.jobs.get(job_id)
      process.exitCode = status === 'finished' ? 0 : 1
    })
  job
    .command('watch <id>')
    .description('print its log until it ends')
    .option('--since <seq>', 'go on after this line', '0')
    .action(async (id: string, { since }: { since: string }) => {
      const api = await client()
      for await (const event of api.jobs.stream(id, { since: Number(since) }))
        process.stdout.write(`${eventLine(event)}\n`)
    })
  job
    .command('list')
    .description('the newest jobs')
    .option('--limit <n>', 'how many', '20')
    .action(async ({ limit }: { limit: string }) => {
      const { items } = await (await client()).jobs.page({ limit: Number(limit) })
      for (const each of items)
        process.stdout.write(
          `${each.id}  ${each.status.padEnd(20)} ${each.blueprint.padEnd(20)} ${each.current_state.padEnd(16)} ${each.created_at}\n`,
        )
    })
  job
    .command('show <id>')
    .description('all there is to know about a job')
    .action(async (id: string) => print(await (await client()).jobs.get(id)))
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
}
