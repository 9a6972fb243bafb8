/** `tutti up`: the whole stack, until it is told to stop. */
import type { Command } from 'commander'
import { startStack } from '../stack/stack.ts'
import { logger, type StackFlags, stackOptions, withStackFlags } from './options.ts'

export const addUp = (program: Command): void => {
  withStackFlags(program.command('up').description('start all servers on embedded defaults and stay up')).action(
    async (flags: StackFlags) => {
      const log = logger(process.env)
      const stack = await startStack(stackOptions(flags, process.env, log))
      const lines = [
        '',
        'Tutti is up.',
        `  jobs       ${stack.apiUrl}        reference: ${stack.apiUrl}/_public/docs`,
        `  sessions   ${stack.backendUrl}`,
        `  storage    ${stack.storage}`,
        `  model      ${stack.model === 'scripted' ? 'scripted: no AI, a program that plays one. Set ANTHROPIC_API_KEY for a real one.' : stack.model}`,
        `  sandbox    ${flags.sandbox === 'none' ? 'none: agents can do whatever you can do' : flags.sandbox}`,
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
      process.stdout.write(`${lines.join('\n')}\n`)
      await untilToldToStop()
      log.info('stopping: what is under way is finished first')
      await stack.stop()
      log.info('stopped')
    },
  )
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
export const untilToldToStop = (): Promise<void> =>
  new Promise((resolve) => {
    let asked = false
    const stop = (): void => {
      if (asked) process.exit(130)
      asked = true
      resolve()
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
  })
