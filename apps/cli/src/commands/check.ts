/** `tutti config check`: what would be refused at start, without starting. */
import type { Environment, Fault } from '@tutti/config'
import type { Command } from 'commander'

/** Loaded when it is asked for, like all that other commands don't need. */
const config = () => import('@tutti/config')

export const addChecks = (program: Command): void => {
  program
    .command('config')
    .description('configuration')
    .command('check')
    .argument('[servers...]', 'orchestrator, backend, executor-manager (default: orchestrator)')
    .description('check environment, files and blueprints as a server would at its start')
    .action(async (servers: string[]) => {
      const { ConfigError, formatFaults } = await config()
      const faults: Fault[] = []
      for (const name of servers.length > 0 ? servers : ['orchestrator']) {
        const load = checks[name]
        if (!load) program.error(`there is no server "${name}"`, { exitCode: 2 })
        try {
          const { warnings } = await load(process.env)
          for (const warning of warnings) process.stderr.write(`warning: ${formatFaults([warning])}\n`)
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error
          faults.push(...error.faults)
        }
      }
      if (faults.length === 0) return void process.stdout.write('no faults\n')
      process.stderr.write(`${formatFaults(faults)}\n`)
      process.exitCode = 2
    })
}

/** An orchestrator's brings the blueprints that schedules name. */
const checks: Record<string, (env: Environment) => Promise<{ warnings: Fault[] }>> = {
  orchestrator: async (env) => {
    const { warnings, unknown } = await (await import('@tutti/orchestrator/configuration')).readConfiguration(env)
    // Without the store it is not known what was registered: the start will tell.
    const registered = unknown.map(({ remedy, ...fault }) => ({
      ...fault,
      remedy: `${remedy} If it was registered over the API, all is well.`,
    }))
    return { warnings: [...warnings, ...registered] }
  },
  backend: async (env) => (await config()).loadBackend(env),
  'executor-manager': async (env) => (await config()).loadManager(env),
}
