/** `tutti session …`: what is done with one. */
import type { Workbench } from '@tutti/client'
import type { MessageView } from '@tutti/contracts'
import type { Command } from 'commander'
import { UsageError } from '../faults.ts'
import { describeRequest } from '../session/ask.ts'
import { sessionOf } from '../session/named.ts'
import { readAnswers, textsWanted } from '../session/read-answer.ts'
import { type OutputFlags, print, printAll, wholeNumber } from './print.ts'

type AddCommand = (words: string, description: string) => Command

export const addSessionActions = (command: AddCommand, workbench: () => Promise<Workbench>): void => {
  command('questions [id]', 'what waits for an answer of yours: in this session, or in all').action(
    async (given: string | undefined, flags: OutputFlags) => {
      const api = await workbench()
      const requests = await api.requests.list(given === undefined ? undefined : await sessionOf(api, given))
      printAll(flags, requests, (request) =>
        [`session ${request.session_id} · until ${request.expires_at}`, ...describeRequest(request), ''].join('\n'),
      )
    },
  )
  command(
    'answer <id> <texts...>',
    'answer what it asks: yes, no or words; numbers of choices; one text per question',
  ).action(async (given: string, texts: string[], flags: OutputFlags) => {
    const api = await workbench()
    const id = await sessionOf(api, given)
    const [request] = await api.requests.list(id)
    if (!request) throw new UsageError(`session ${id} asks nothing now`)
    const wanted = textsWanted(request)
    if (texts.length !== wanted)
      throw new UsageError(
        `it wants ${wanted} ${wanted === 1 ? 'answer' : 'answers'}, and not ${texts.length}:\n${describeRequest(request).join('\n')}`,
      )
    const answered = await api.requests.answer(request.id, readAnswers(request, texts))
    print(flags, answered, `answered · tutti session watch ${id} follows what comes of it`)
  })
  command('say <id> <text>', 'say something to the agent while it works; else a message').action(
    async (given: string, text: string, flags: OutputFlags) => {
      const api = await workbench()
      const answer = await api.sessions.steer(await sessionOf(api, given), text)
      const said = answer.accepted_type === 'command' ? 'it hears it at its next step' : 'sent as a message'
      print(flags, answer, said)
    },
  )
  command('interrupt <id>', 'stop what it does now; messages that wait are taken up').action(
    async (given: string, flags: OutputFlags) => {
      const api = await workbench()
      const answer = await api.sessions.interrupt(await sessionOf(api, given))
      print(flags, answer, answer.run_id === null ? 'nothing is at work' : 'interrupting')
    },
  )
  command('cancel <id>', 'stop the turn, and drop messages and questions that wait')
    .option('--reason <text>', 'why; it is kept')
    .action(async (given: string, { reason, ...flags }: OutputFlags & { reason?: string }) => {
      const api = await workbench()
      const answer = await api.sessions.cancel(await sessionOf(api, given), { reason })
      print(flags, answer, `${answer.session_id} ${answer.status}`)
    })
  command('branch <id>', 'a session of its own from the end of a turn, with its files and the agent’s memory')
    .option('--message <id>', 'a message of the turn (default: the last)', wholeNumber)
    .action(async (given: string, { message, ...flags }: OutputFlags & { message?: number }) => {
      const api = await workbench()
      const id = await sessionOf(api, given)
      const message_id = message ?? lastOf(await api.sessions.messages(id))
      const branched = await api.sessions.branch(id, { message_id })
      if (!branched.workspace || !branched.agent_memory)
        process.stderr.write('that turn stored no snapshot: the branch begins without its files and memory\n')
      print(flags, branched, branched.session_id)
    })
  command('rewind <id> [run]', 'put the files back to how a run left them (default: the one before the last)').action(
    async (given: string, run: string | undefined, flags: OutputFlags) => {
      const api = await workbench()
      const id = await sessionOf(api, given)
      const rewound = await api.sessions.rewind(
        id,
        run ?? beforeLast((await api.runs.list(id)).map((each) => each.run_id)),
      )
      print(flags, rewound, `${rewound.files} files, as run ${rewound.run_id} left them`)
    },
  )
  command('usage <id>', 'what it has used, and the budgets that hold for it').action(
    async (given: string, flags: OutputFlags) => {
      const api = await workbench()
      const id = await sessionOf(api, given)
      const [usage, spending, budgets] = await Promise.all([
        api.sessions.usage(id),
        api.sessions.spending(id),
        api.budgets.list(id),
      ])
      const { calls = 0, cost_usd = 0, wall_seconds = 0 } = spending ?? {}
      const { input_tokens = 0, output_tokens = 0 } = usage.usage_json
      print(
        flags,
        { usage, spending, budgets },
        [
          `${input_tokens} tokens in, ${output_tokens} out, ${calls} calls, $${cost_usd.toFixed(4)}, ${Math.round(wall_seconds)} s at work`,
          ...budgets.map(budgetLine),
        ].join('\n'),
      )
    },
  )
  command('remove <id>', 'stop its turn and take it out of every list').action(async (given: string) => {
    const api = await workbench()
    await api.sessions.remove(await sessionOf(api, given))
  })
}

const lastOf = (messages: readonly MessageView[]): number => {
  const last = messages.at(-1)
  if (!last) throw new UsageError('nothing was said in this session yet: there is nothing to branch from')
  return last.id
}

const beforeLast = (runs: readonly string[]): string => {
  const run = runs.at(-2)
  if (run === undefined)
    throw new UsageError('the session has no turn before its last one: name a run, see tutti session show')
  return run
}

/** One limit with what counts against it. */
export const budgetLine = ({ scope, scope_id, month, set_by, limits, used }: BudgetLine): string => {
  const parts = [
    limits.cost_usd === undefined ? [] : [`$${used.cost_usd.toFixed(4)} of $${limits.cost_usd}`],
    limits.tokens === undefined
      ? []
      : [
          `${used.input_tokens + used.output_tokens + used.cache_creation_input_tokens + used.cache_read_input_tokens} of ${limits.tokens} tokens`,
        ],
    limits.wall_seconds === undefined ? [] : [`${Math.round(used.wall_seconds)} of ${limits.wall_seconds} s`],
  ]
  return `${scope} ${scope_id}${month === null ? '' : ` in ${month}`}: ${parts.flat().join(', ')} (set by ${set_by})`
}

type BudgetLine = Awaited<ReturnType<Workbench['budgets']['list']>>[number]
