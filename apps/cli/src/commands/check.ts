/** `tutti config check` and `tutti blueprint check|graph`: what would be refused at start, without starting. */
import { ConfigError, type Environment, type Fault, formatFaults, loadBackend, loadManager } from '@tutti/config'
import { graphOf, toDot } from '@tutti/engine'
import type { Command } from 'commander'

export const addChecks = (program: Command): void => {
  program
    .command('config')
    .description('configuration')
    .command('check')
    .argument('[servers...]', 'orchestrator, backend, executor-manager (default: orchestrator)')
    .description('check environment, files and blueprints as a server would at its start')
    .action(async (servers: string[]) => {
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

  const blueprint = program.command('blueprint').description('blueprints')
  const load = async (folder: string) => (await import('@tutti/orchestrator')).loadBlueprints(folder)
  blueprint
    .command('check <folder>')
    .description('check the blueprints of a folder as the orchestrator would at its start')
    .action(async (folder: string) => {
      const { createRegistry } = await import('@tutti/engine')
      const registry = createRegistry(await load(folder))
      for (const each of registry.list())
        process.stdout.write(`${each.name} v${each.version}: ${each.states.length} states, ${each.ends.length} ends\n`)
    })
  blueprint
    .command('graph <folder> <name>')
    .description('its states and edges, in the language of Graphviz')
    .action(async (folder: string, name: string) => {
      const { createRegistry } = await import('@tutti/engine')
      const found = createRegistry(await load(folder)).get(name)
      if (!found) program.error(`there is no blueprint "${name}" in ${folder}`, { exitCode: 1 })
      process.stdout.write(toDot(graphOf(found)))
    })
}

/** The orchestrator is loaded when it is asked for: with it come the blueprints that schedules name. */
const checks: Record<string, (env: Environment) => Promise<{ warnings: Fault[] }>> = {
  orchestrator: async (env) => (await import('@tutti/orchestrator')).readConfiguration(env),
  backend: async (env) => loadBackend(env),
  'executor-manager': async (env) => loadManager(env),
}
