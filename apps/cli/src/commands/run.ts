/** `tutti run "PROMPT"`: an agent from the terminal, streamed. */
import { mkdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { type Address, findStack, workbenchOf } from '../connect.ts'
import { createSessionPrinter } from '../session-printer.ts'
import { startStack } from '../stack/stack.ts'
import { listenForStop, unlessStopped } from '../stop-signals.ts'
import { defaultDataDir, logger, stackOptions } from './options.ts'

interface RunFlags {
  folder?: string
  session?: string
  model?: string
  download?: string
}

export const addRun = (program: Command): void => {
  program
    .command('run <prompt>')
    .description('run an agent in a sandbox and stream what it does')
    .option('--folder <folder>', 'give the agent a copy of this folder')
    .option('--session <id>', 'go on with this session')
    .option('--model <name>', 'the model to use')
    .option('--download <folder>', 'write the files of the workspace there afterwards')
    .action(async (prompt: string, flags: RunFlags) => {
      const folder = flags.folder === undefined ? undefined : resolve(flags.folder)
      const found = await findStack(process.env, defaultDataDir(process.env))
      if (found) process.exitCode = await runAgent(found, prompt, flags, folder)
      else process.exitCode = await withOwnStack(folder, (address) => runAgent(address, prompt, flags, folder))
    })
}

/** No stack is up: one is started for this run alone. */
const withOwnStack = async (
  folder: string | undefined,
  use: (address: Address) => Promise<number>,
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
  const options = stackOptions({ ...flags, allowFolder: [...flags.allowFolder] }, env, logger(env))
  const { signal } = listenForStop()
  const stack = await startStack({ ...options, signal })
  try {
    if (stack.model === 'scripted')
      process.stderr.write(
        'The model is scripted: no AI, a program that plays one. Set ANTHROPIC_API_KEY for a real one.\n',
      )
    const { apiUrl, backendUrl, secrets } = stack
    return await unlessStopped(use({ apiUrl, backendUrl, clientToken: secrets.clientToken }), signal)
  } finally {
    await stack.stop()
  }
}

/** @returns the exit code: 0 when the run completed */
const runAgent = async (
  address: Address,
  prompt: string,
  flags: RunFlags,
  folder: string | undefined,
): Promise<number> => {
  const workbench = workbenchOf(address)
  const { session_id, run_id } = await workbench.tasks.create({
    prompt,
    permission_mode: 'bypassPermissions',
    ...(flags.session === undefined ? {} : { session_id: flags.session }),
    config: {
      ...(flags.model === undefined ? {} : { model: flags.model }),
      ...(folder === undefined ? {} : { workspace: { folder: { host_path: folder, path: basename(folder) } } }),
    },
  })
  if (run_id === null) {
    process.stdout.write(`The session is busy: the message waits for its turn · session ${session_id}\n`)
    return 0
  }
  const printer = createSessionPrinter((text) => process.stdout.write(text))
  const since = flags.session === undefined ? 0 : (await workbench.sessions.get(session_id)).seq
  const done = new AbortController()
  for await (const frame of workbench.sessions.stream(session_id, { since, signal: done.signal })) {
    printer.print(frame)
    if (frame.type === 'session.status' && ['completed', 'failed', 'canceled'].includes(String(frame.data.status))) {
      const { status } = await workbench.runs.get(run_id)
      if (['completed', 'failed', 'canceled'].includes(status)) break
    }
  }
  done.abort()
  printer.end()
  const run = await workbench.runs.get(run_id)
  const { usage } = run
  process.stdout.write(
    `\n${run.status} · session ${session_id}${usage ? ` · ${usage.input_tokens} tokens in, ${usage.output_tokens} out, $${usage.cost_usd.toFixed(4)}` : ''}\n`,
  )
  if (run.last_error) process.stdout.write(`${run.last_error}\n`)
  if (flags.download !== undefined) await downloadAll(address, session_id, resolve(flags.download))
  return run.status === 'completed' ? 0 : 1
}

const downloadAll = async (address: Address, sessionId: string, target: string): Promise<void> => {
  const workbench = workbenchOf(address)
  const files = await workbench.sessions.files(sessionId)
  for (const file of files) {
    const path = join(target, file.path)
    await mkdir(dirname(path), { recursive: true })
    await workbench.download(file, path)
  }
  process.stdout.write(`${files.length} files written to ${target}\n`)
}
