/** `tutti job pause|resume|retry|fork|event|remove`: what is done to a job that is there. */
import type { Client } from '@tutti/client'
import type { ForkJob, JobView } from '@tutti/contracts'
import type { Command } from 'commander'
import { jsonFlag, type OutputFlags, print, readJson, readJsonObject, wholeNumber } from './print.ts'

const line = ({ id, status }: Pick<JobView, 'id' | 'status'>): string => `${id} ${status}`

interface ForkFlags extends OutputFlags {
  state?: string
  seq?: number
  data?: string
  input?: string
  blueprintVersion?: number
}

export const addJobActions = (job: Command, client: () => Promise<Client>): void => {
  for (const [action, description] of [
    ['pause', 'let it take no further step; what is under way goes on'],
    ['resume', 'let it go on'],
  ] as const)
    job
      .command(`${action} <id>`)
      .description(description)
      .option(...jsonFlag)
      .action(async (id: string, flags: OutputFlags) => {
        const view = await (await client()).jobs[action](id)
        print(flags, view, line(view))
      })
  job
    .command('retry <id>')
    .description('try it again from the state in which it failed, as a new job')
    .option(...jsonFlag)
    .action(async (id: string, flags: OutputFlags) => {
      const { job_id } = await (await client()).jobs.retry(id)
      print(flags, { job_id }, job_id)
    })
  job
    .command('fork <id>')
    .description('begin a new job from a past state of it')
    .option('--state <state>', 'as it last entered this state')
    .option('--seq <seq>', 'as it stood after this line of its log', wholeNumber)
    .option('--data <json>', 'laid over the data that it had then; @FILE reads a file')
    .option('--input <json>', 'another input; @FILE reads a file')
    .option('--blueprint-version <n>', 'another version of its blueprint', wholeNumber)
    .option(...jsonFlag)
    .action(async (id: string, { state, seq, data, input, blueprintVersion, ...flags }: ForkFlags) => {
      const from: ForkJob = {
        ...(state === undefined ? {} : { state }),
        ...(seq === undefined ? {} : { seq }),
        ...(data === undefined ? {} : { data: await readJsonObject('--data', data) }),
        ...(input === undefined ? {} : { input: await readJsonObject('--input', input) }),
        ...(blueprintVersion === undefined ? {} : { version: blueprintVersion }),
      }
      const { job_id } = await (await client()).jobs.fork(id, from)
      print(flags, { job_id }, job_id)
    })
  job
    .command('event <id> <name>')
    .description('send it an event')
    .option('--data <json>', 'what comes with it; @FILE reads a file', 'null')
    .option('--event-id <id>', 'an event counts once under its id')
    .action(async (id: string, name: string, { data, eventId }: { data: string; eventId?: string }) => {
      const event = { name, data: await readJson('--data', data), ...(eventId === undefined ? {} : { id: eventId }) }
      await (await client()).jobs.sendEvent(id, event)
    })
  job
    .command('remove <id>')
    .description('remove it with its log and its files, once it has ended')
    .action(async (id: string) => (await client()).jobs.remove(id))
}
