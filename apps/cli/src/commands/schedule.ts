/** `tutti schedule …`: jobs by the clock. */
import type { ScheduleSpecInput, ScheduleView } from '@tutti/contracts'
import type { Command } from 'commander'
import { clientOf, demandOrchestrator } from '../connect.ts'
import { defaultDataDir } from './options.ts'
import { jsonFlag, type OutputFlags, print, printAll, readJsonObject, wholeNumber } from './print.ts'

interface Flags extends OutputFlags {
  client?: string
}

const line = ({ name, client, paused, next_at, spec, last }: ScheduleView): string =>
  [
    name.padEnd(20),
    client.padEnd(16),
    spec.blueprint.padEnd(20),
    (paused ? 'paused' : (next_at ?? 'never')).padEnd(29),
    last === null ? '' : `${last.outcome}${last.job_status === null ? '' : `, ${last.job_status}`}`,
  ]
    .join(' ')
    .trimEnd()

export const addSchedule = (program: Command): void => {
  const schedule = program.command('schedule').description('jobs by the clock')
  const schedules = async () => clientOf(await demandOrchestrator(process.env, defaultDataDir(process.env))).schedules
  const command = (words: string, description: string): Command =>
    schedule
      .command(words)
      .description(description)
      .option('--client <id>', 'of another client; for operators')
      .option(...jsonFlag)

  command('list', 'your schedules; for operators: everybody’s').action(async (flags: Flags) => {
    printAll(flags, await (await schedules()).list(flags), line)
  })
  command('show <name>', 'all there is to know about one').action(async (name: string, flags: Flags) => {
    print({ json: true }, await (await schedules()).get(name, flags), '')
  })
  command('put <name> <spec>', 'make or replace one: the fields of schedules.toml as JSON; @FILE reads a file').action(
    async (name: string, spec: string, flags: Flags) => {
      const given = (await readJsonObject('spec', spec)) as unknown as ScheduleSpecInput
      const view = await (await schedules()).put(name, given, flags)
      print(flags, view, line(view))
    },
  )
  for (const [action, description] of [
    ['pause', 'fire nothing until it is resumed'],
    ['resume', 'go on'],
  ] as const)
    command(`${action} <name>`, description).action(async (name: string, flags: Flags) => {
      const view = await (await schedules())[action](name, flags)
      print(flags, view, line(view))
    })
  command('trigger <name>', 'make a job of it now').action(async (name: string, flags: Flags) => {
    const { job_id } = await (await schedules()).trigger(name, flags)
    print(flags, { job_id }, job_id)
  })
  command('next <name>', 'when it is due next')
    .option('--count <n>', 'how many instants', wholeNumber, 5)
    .action(async (name: string, flags: Flags & { count: number }) => {
      printAll(flags, await (await schedules()).next(name, flags), (instant) => instant)
    })
  command('remove <name>', 'remove it; the jobs that it made stay').action(async (name: string, flags: Flags) => {
    await (await schedules()).remove(name, flags)
  })
}
