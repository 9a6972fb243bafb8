/** `tutti budget …`: how much agents may use, and have used. */
import type { Workbench } from '@tutti/client'
import type { PutBudget } from '@tutti/contracts'
import { type Command, InvalidArgumentError } from 'commander'
import { demandBackend, workbenchOf } from '../connect.ts'
import { sessionOf } from '../session/named.ts'
import { defaultDataDir } from './options.ts'
import { jsonFlag, type OutputFlags, printAll } from './print.ts'
import { budgetLine } from './session-actions.ts'

interface SetFlags extends OutputFlags {
  session?: string
  project?: string
  month: boolean
  usd?: number
  tokens?: number
  seconds?: number
}

export const addBudget = (program: Command): void => {
  const budget = program.command('budget').description('how much agents may use, and have used')
  const workbench = async () => workbenchOf(await demandBackend(process.env, defaultDataDir(process.env)))

  budget
    .command('list')
    .description('limits that hold for you, with what counts against each')
    .option('--session <id>', 'also those of this session')
    .option(...jsonFlag)
    .action(async ({ session, json }: OutputFlags & { session?: string }) => {
      const api = await workbench()
      const budgets = await api.budgets.list(session === undefined ? undefined : await sessionOf(api, session))
      printAll({ json }, budgets, budgetLine)
    })
  budget
    .command('set')
    .description('set a limit of your own, in place of the one before; without any limit it is removed')
    .option('--session <id>', 'for a session (default: for all that you do)')
    .option('--project <id>', 'for a project')
    .option('--month', 'for each month of the calendar, instead of for all time', false)
    .option('--usd <dollars>', 'the most that may be spent', limit)
    .option('--tokens <n>', 'the most tokens', limit)
    .option('--seconds <n>', 'the most time at work', limit)
    .option(...jsonFlag)
    .action(async (flags: SetFlags) => {
      const api = await workbench()
      printAll(flags, await api.budgets.put(await budgetOf(api, flags)), budgetLine)
    })
}

const limit = (given: string): number => {
  const value = Number(given)
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('a number above 0')
  return value
}

const budgetOf = async (api: Workbench, flags: SetFlags): Promise<PutBudget> => {
  const { session, project, month, usd, tokens, seconds } = flags
  const scope = session !== undefined ? 'session' : project !== undefined ? 'project' : 'user'
  const id = session === undefined ? project : await sessionOf(api, session)
  return {
    scope,
    period: month ? 'month' : 'total',
    ...(id === undefined ? {} : { scope_id: id }),
    limits: {
      ...(usd === undefined ? {} : { cost_usd: usd }),
      ...(tokens === undefined ? {} : { tokens: Math.floor(tokens) }),
      ...(seconds === undefined ? {} : { wall_seconds: seconds }),
    },
  }
}
