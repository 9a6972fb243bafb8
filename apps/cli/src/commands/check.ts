/** `tutti config check` and `tutti blueprint check|graph|diff`: what would be refused at start, without starting. */
import { stat } from 'node:fs/promises'
import { ConfigError, type Environment, type Fault, formatFaults, loadBackend, loadManager } from '@tutti/config'
import {
  type BlueprintRegistry,
  blueprintDiff,
  createRegistry,
  diffText,
  graphOf,
  type LoadedBlueprint,
  toDot,
} from '@tutti/engine'
import type { Command } from 'commander'
import { UsageError } from '../faults.ts'

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

  addBlueprints(program)
}

const addBlueprints = (program: Command): void => {
  const blueprint = program.command('blueprint').description('blueprints')
  blueprint
    .command('check <path>')
    .description('check the blueprints of a folder, or of one file, as the orchestrator would at its start')
    .action(async (path: string) => {
      const registry = await registryOf(path)
      for (const each of registry.list())
        process.stdout.write(`${each.name} v${each.version}: ${each.states.length} states, ${each.ends.length} ends\n`)
    })
  blueprint
    .command('graph <path> <name>')
    .description('its states, edges and conditions, in the language of Graphviz')
    .action(async (path: string, name: string) => {
      const found = find(await registryOf(path), name)
      if (!found) program.error(`there is no blueprint "${name}" in ${path}`, { exitCode: 1 })
      process.stdout.write(toDot(graphOf(found)))
    })
  blueprint
    .command('diff <older> <newer>')
    .description('what is different between two versions, for clients and for jobs under way')
    .option('--in <folder>', 'the versions are NAME or NAME@vVERSION of this folder, not files')
    .option('--json', 'as JSON')
    .action(async (older: string, newer: string, options: { in?: string; json?: true }) => {
      const [from, to] = [await oneOf(older, options.in), await oneOf(newer, options.in)]
      const diff = blueprintDiff(from, to)
      process.stdout.write(options.json ? `${JSON.stringify(diff, null, 2)}\n` : diffText(diff))
    })
}

/** @throws BlueprintError naming every fault */
const registryOf = async (path: string): Promise<BlueprintRegistry> => {
  const { loadBlueprintFile, loadBlueprints } = await import('@tutti/orchestrator')
  const isFile = (await stat(path).catch(() => null))?.isFile() === true
  return createRegistry(isFile ? await loadBlueprintFile(path) : await loadBlueprints(path))
}

/** `order`, or `order@v2`. */
const find = (registry: BlueprintRegistry, name: string): LoadedBlueprint | undefined => {
  const [, plain = name, version] = /^(.+)@v(\d+)$/.exec(name) ?? []
  return registry.get(plain, version === undefined ? undefined : Number(version))
}

/** @throws UsageError where it is not clear which blueprint is meant */
const oneOf = async (given: string, folder: string | undefined): Promise<LoadedBlueprint> => {
  if (folder !== undefined) {
    const found = find(await registryOf(folder), given)
    if (found) return found
    throw new UsageError(`there is no blueprint "${given}" in ${folder}`)
  }
  const list = (await registryOf(given)).list()
  const [only] = list
  if (only && list.length === 1) return only
  throw new UsageError(
    `${given} has ${list.length} blueprints: name a file that has one, or give --in FOLDER and NAME@vVERSION`,
  )
}

/** The orchestrator is loaded when it is asked for: with it come the blueprints that schedules name. */
const checks: Record<string, (env: Environment) => Promise<{ warnings: Fault[] }>> = {
  orchestrator: async (env) => (await import('@tutti/orchestrator')).readConfiguration(env),
  backend: async (env) => loadBackend(env),
  'executor-manager': async (env) => loadManager(env),
}
