/** `tutti up`: the whole stack, until it is told to stop. */
import type { Command } from 'commander'
import type { Stack } from '../stack/stack.ts'
import { listenForStop, type StopSignals } from '../stop-signals.ts'
import { logger, type StackFlags, stackOptions, withStackFlags } from './options.ts'

export const addUp = (program: Command): void => {
  withStackFlags(program.command('up').description('start all servers on embedded defaults and stay up')).action(
    async (flags: StackFlags) => {
      const log = await logger(process.env)
      const options = stackOptions(flags, process.env, log)
      const stop = listenForStop()
      const { startStack } = await import('../stack/stack.ts')
      const stack = await unlessToldBefore(stop, startStack({ ...options, signal: stop.signal }))
      if (!stack) return
      process.stdout.write(`${welcome(stack, flags.sandbox).join('\n')}\n`)
      await stop.told
      log.info('stopping: what is under way is finished first')
      await stack.stop()
      log.info('stopped')
    },
  )
}

/** Told to stop while it starts, it has done what it was told: undefined, and no fault. */
const unlessToldBefore = async ({ signal }: StopSignals, start: Promise<Stack>): Promise<Stack | undefined> => {
  try {
    return await start
  } catch (error) {
    if (signal.aborted) return undefined
    throw error
  }
}

const welcome = (stack: Stack, sandbox: string): string[] => [
  '',
  'Tutti is up.',
  `  jobs       ${stack.apiUrl}        reference: ${stack.apiUrl}/_public/docs`,
  `  sessions   ${stack.backendUrl}`,
  `  storage    ${stack.storage}`,
  `  model      ${stack.model === 'scripted' ? 'scripted: no AI, a program that plays one. Set ANTHROPIC_API_KEY for a real one.' : stack.model}`,
  `  sandbox    ${sandbox === 'none' ? 'none: agents can do whatever you can do' : sandbox}`,
  '',
  'Tokens of this installation (kept in the data directory):',
  `  client     ${stack.secrets.clientToken}     header X-Client-Token`,
  `  worker     ${stack.secrets.workerToken}     header X-Worker-Token`,
  '',
  'Try:',
  `  curl -H 'X-Client-Token: ${stack.secrets.clientToken}' ${stack.apiUrl}/api/v1/blueprints`,
  '  npx tutti run "What is in this workspace?"',
  '',
  'Ctrl+C stops it.',
  '',
]
