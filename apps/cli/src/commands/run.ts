/** `tutti run "PROMPT"`: an agent from the terminal, streamed. */
import { basename, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Workbench } from '@tutti/client'
import { type CreateTask, permissionMode } from '@tutti/contracts'
import { type Command, Option } from 'commander'
import { findBackend, type SessionsAddress, workbenchOf } from '../connect.ts'
import { UsageError } from '../faults.ts'
import { createAnswerer } from '../session/ask.ts'
import { downloadAll } from '../session/download.ts'
import { readLocalFiles, uploadFiles } from '../session/local-files.ts'
import { originHere, sessionOf, sessionToContinue } from '../session/named.ts'
import { harmless } from '../session/printer.ts'
import { attend, outputForPeople, outputForPrograms, sendMessage } from '../session/turn.ts'
import { listenForStop, type StopSignals, unlessStopped } from '../stop-signals.ts'
import { defaultDataDir, logger, stackOptions } from './options.ts'
import { repeated, wholeNumber } from './print.ts'

interface RunFlags {
  folder?: string
  upload?: string
  repo?: string
  branch?: string
  session?: string
  continue: boolean
  model?: string
  mode: (typeof permissionMode.options)[number]
  answer: string[]
  budgetUsd?: number
  budgetTokens?: number
  maxTurns?: number
  download?: string
  detach: boolean
  json: boolean
}

const help = `
It streams what the agent does. Where the agent asks, the question is put to you; without a terminal, --answer answers, in the order
of the questions. A permission or a plan takes yes, no, or words that say why not; a question takes the number of a choice, or words.

Ctrl+C interrupts the turn and waits for its end; what it has written is kept. Another Ctrl+C leaves at once.

Exit codes: 0 completed, 1 failed or cancelled, 2 a fault in the command, 3 something is missing on this machine,
4 the agent waits for an answer, 130 interrupted.

A backend elsewhere: TUTTI_BACKEND_URL and TUTTI_CLIENT_TOKEN. Without a stack, one is started for this run alone.`

export const addRun = (program: Command): void => {
  program
    .command('run <prompt>')
    .description('run an agent in a sandbox and stream what it does; - reads the prompt from the standard input')
    .option('--folder <folder>', 'give the agent a copy of this folder of the stack’s machine')
    .option('--upload <folder>', 'give the agent the files of this folder: in a repository what git tracks')
    .option('--repo <url>', 'have this repository cloned')
    .option('--branch <name>', 'the branch of --repo')
    .option('--session <id>', 'go on with this session; last is the newest')
    .option('-c, --continue', 'go on with the conversation that you were in last in this folder, or anywhere', false)
    .option('--model <name>', 'the model to use')
    .addOption(
      new Option('--mode <mode>', 'what needs your consent; default asks for all but reading')
        .choices(permissionMode.options)
        .default('bypassPermissions'),
    )
    .option('--answer <text>', 'answers the next question; repeatable', repeated, [])
    .option('--budget-usd <dollars>', 'the most that this turn may cost', positive)
    .option('--budget-tokens <n>', 'the most tokens that this turn may use', positive)
    .option('--max-turns <n>', 'how often the model may be asked', wholeNumber)
    .option('--download <folder>', 'write the files of the workspace there afterwards')
    .option('--detach', 'send the message, print the session, and leave', false)
    .option('--json', 'a line of JSON for each event, for programs', false)
    .addHelpText('after', help)
    .action(async (prompt: string, flags: RunFlags) => {
      const folder = flags.folder === undefined ? undefined : resolve(flags.folder)
      checkFlags(flags)
      const said = prompt === '-' ? await text(process.stdin) : prompt
      const stop = listenForStop()
      const use = (address: SessionsAddress): Promise<number> => runAgent(address, said, flags, folder, stop)
      const found = await findBackend(process.env, defaultDataDir(process.env))
      process.exitCode = await (found ? use(found) : withOwnStack(folder, stop.signal, use))
    })
}

const positive = (given: string): number => {
  const value = Number(given)
  if (!(value > 0 && Number.isFinite(value))) throw new UsageError(`"${given}" is no limit: a number above 0`)
  return value
}

const checkFlags = ({ folder, upload, session, ...flags }: RunFlags): void => {
  if (folder !== undefined && upload !== undefined)
    throw new UsageError('--folder copies on the stack’s machine, --upload sends from here: leave one out')
  if (flags.continue && session !== undefined) throw new UsageError('--continue and --session: leave one out')
  if (flags.branch !== undefined && flags.repo === undefined) throw new UsageError('--branch needs --repo')
  if (flags.detach && (flags.download !== undefined || flags.answer.length > 0))
    throw new UsageError('--detach leaves before there are files or questions: leave out --download and --answer')
}

/** No stack is up: one is started for this run alone. */
const withOwnStack = async (
  folder: string | undefined,
  signal: AbortSignal,
  use: (address: SessionsAddress) => Promise<number>,
): Promise<number> => {
  const env = { LOG_LEVEL: 'WARNING', ...process.env }
  const flags = {
    host: '127.0.0.1',
    apiPort: 0,
    port: 0,
    managerPort: 0,
    split: false,
    storage: 'postgres',
    sandbox: 'bubblewrap',
    allowFolder: folder === undefined ? [] : [folder],
  } as const
  const options = stackOptions({ ...flags, allowFolder: [...flags.allowFolder] }, env, await logger(env))
  const { startStack } = await import('../stack/stack.ts')
  const stack = await startStack({ ...options, signal })
  try {
    if (stack.model === 'scripted')
      process.stderr.write(
        'The model is scripted: no AI, a program that plays one. Set ANTHROPIC_API_KEY for a real one.\n',
      )
    const { backendUrl, secrets } = stack
    return await use({ backendUrl, clientToken: secrets.clientToken })
  } finally {
    await stack.stop()
  }
}

/** @returns the exit code */
const runAgent = async (
  address: SessionsAddress,
  prompt: string,
  flags: RunFlags,
  folder: string | undefined,
  stop: StopSignals,
): Promise<number> => {
  const workbench = workbenchOf(address)
  const write = (line: string): void => void process.stdout.write(line)
  const note = (line: string): void => void process.stderr.write(line)
  const send = async () => {
    const session_id = await sessionFor(workbench, flags, note)
    return sendMessage(workbench, {
      prompt,
      permission_mode: flags.mode,
      ...(session_id === undefined ? { origin: originHere() } : { session_id }),
      config: await configOf(workbench, flags, folder, note),
    })
  }
  const turn = await unlessStopped(send(), stop.signal)
  if (flags.detach) {
    const { sessionId: session_id, runId: run_id } = turn
    write(flags.json ? `${JSON.stringify({ session_id, run_id })}\n` : `${session_id}\n`)
    return 0
  }
  const output = flags.json ? outputForPrograms(write) : outputForPeople(write, note)
  if (turn.queued) output.note('The session is busy: the message waits for its turn.')
  const interactive = process.stdin.isTTY === true && !flags.json
  const code = await attend(workbench, turn, createAnswerer(flags.answer, interactive), output, stop)
  if (flags.download !== undefined) {
    const target = resolve(flags.download)
    const files = await workbench.sessions.files(turn.sessionId)
    await downloadAll(workbench, files, target)
    ;(flags.json ? note : write)(`${files.length} files written to ${target}\n`)
  }
  return code
}

/** Whoever is led into a conversation without naming it is told into which. */
const sessionFor = async (
  workbench: Workbench,
  flags: RunFlags,
  note: (line: string) => void,
): Promise<string | undefined> => {
  if (!flags.continue) return flags.session === undefined ? undefined : sessionOf(workbench, flags.session)
  const { session, here } = await sessionToContinue(workbench)
  const { session_id, title, origin } = session
  if (!here) note('no session was begun in this folder: this is the last one of all\n')
  const begun = here || origin === null ? '' : `, begun in ${harmless(origin)}`
  note(`going on with session ${session_id}${title === null ? '' : ` · ${harmless(title)}`}${begun}\n`)
  return session_id
}

const configOf = async (
  workbench: Workbench,
  flags: RunFlags,
  folder: string | undefined,
  note: (line: string) => void,
): Promise<NonNullable<CreateTask['config']>> => {
  const { model, repo, branch, maxTurns, budgetUsd, budgetTokens } = flags
  const config: NonNullable<CreateTask['config']> = {}
  if (model !== undefined) config.model = model
  if (repo !== undefined) config.repo_url = repo
  if (branch !== undefined) config.git_branch = branch
  if (maxTurns !== undefined) config.max_turns = maxTurns
  if (budgetUsd !== undefined || budgetTokens !== undefined)
    config.budget = {
      ...(budgetUsd === undefined ? {} : { cost_usd: budgetUsd }),
      ...(budgetTokens === undefined ? {} : { tokens: Math.floor(budgetTokens) }),
    }
  if (folder !== undefined) config.workspace = { folder: { host_path: folder, path: basename(folder) } }
  if (flags.upload !== undefined) {
    const { files, uploads, leftOut } = await readLocalFiles(resolve(flags.upload))
    if (leftOut.length > 0)
      note(`left out, because they are no files: ${leftOut.slice(0, 5).join(', ')}${leftOut.length > 5 ? ', …' : ''}\n`)
    if (files.length > 0) config.workspace = { files }
    if (uploads.length > 0) config.input_files = await uploadFiles(workbench, uploads)
  }
  return config
}
