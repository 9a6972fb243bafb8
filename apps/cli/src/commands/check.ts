/** `tutti config check` and `tutti blueprint check|graph`: what would be refused at start, without starting. */
import { ConfigError, type Fault, formatFaults, loadBackend, loadManager, loadOrchestrator } from '@tutti/config'
import { graphOf, toDot } from '@tutti/engine'
import type { Command } from 'commander'

export const addChecks = (program: Command): void => {
  program
    .command('config')
    .description('configuration')
    .command('check')
    .argument('[servers...]', 'orchestrator, backend, executor-manager (default: orchestrator)')
    .description('check environment and files as a server would at its start')
    .action((servers: string[]) => {
      const loaders = { orchestrator: loadOrchestrator, backend: loadBackend, 'executor-manager': loadManager }
      const faults: Fault[] = []
      for (const name of servers.length > 0 ? servers : ['orchestrator']) {
        const load = loaders[name as keyof typeof loaders]
        if (!load) program.error(`there is no server "${name}"`, { exitCode: 2 })
        try {
          for (const warning of load(process.env).warnings)
            process.stderr.write(`warning: ${formatFaults([warning])}\n`)
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
