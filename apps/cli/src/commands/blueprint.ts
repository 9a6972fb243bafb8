/** `tutti blueprint …`: blueprints in files, and those that were registered at a server. */
import { readFile, stat } from 'node:fs/promises'
import type { Client } from '@tutti/client'
import type { BlueprintDocument } from '@tutti/contracts'
import type { Blueprint, BlueprintRegistry, LoadedBlueprint } from '@tutti/engine'
import type { Command } from 'commander'
import { clientOf, demandOrchestrator } from '../connect.ts'
import { UsageError } from '../faults.ts'
import { defaultDataDir } from './options.ts'

/** Loaded by the commands that need it: the others would start twice as slowly. */
const engine = () => import('@tutti/engine')

export const addBlueprints = (program: Command): void => {
  const blueprint = program.command('blueprint').description('blueprints')
  const client = async (): Promise<Client> =>
    clientOf(await demandOrchestrator(process.env, defaultDataDir(process.env)))

  blueprint
    .command('check <path>')
    .description('check the blueprints of a folder, or of one file, as the orchestrator would at its start')
    .action(async (path: string) => {
      const registry = await registryOf(path)
      for (const each of registry.list())
        process.stdout.write(`${each.name} v${each.version}: ${each.states.length} states, ${each.ends.length} ends\n`)
      if (registry.list().length === 0)
        throw new UsageError(`${path} holds no blueprint: a module must export one, a document must have a "format"`)
    })
  blueprint
    .command('graph <path> <name>')
    .description('its states, edges and conditions, in the language of Graphviz')
    .action(async (path: string, name: string) => {
      const found = find(await registryOf(path), name)
      if (!found) throw new UsageError(`there is no blueprint "${name}" in ${path}`)
      const { graphOf, toDot } = await engine()
      process.stdout.write(toDot(graphOf(found)))
    })
  blueprint
    .command('diff <older> <newer>')
    .description('what is different between two versions, for clients and for jobs under way')
    .option('--in <folder>', 'the versions are NAME or NAME@vVERSION of this folder, not files')
    .option('--server', 'the older one is NAME or NAME@vVERSION as it was registered at the server', false)
    .option('--json', 'as JSON')
    .action(async (older: string, newer: string, options: { in?: string; server: boolean; json?: true }) => {
      const from = options.server ? await registeredOne(await client(), older) : await oneOf(older, options.in)
      const { blueprintDiff, diffText } = await engine()
      const diff = blueprintDiff(from, await oneOf(newer, options.in))
      process.stdout.write(options.json ? `${JSON.stringify(diff, null, 2)}\n` : diffText(diff))
    })
  blueprint
    .command('register <file>')
    .description('offer a JSON blueprint at the server; the token must be an operator’s')
    .action(async (file: string) => {
      const document = await readDocument(file)
      const { name, version } = await (await client()).blueprints.register(document)
      process.stdout.write(`${name} v${version} is registered\n`)
    })
  blueprint
    .command('retire <name@version>')
    .description('offer a registered blueprint no longer; jobs that began with it go on')
    .action(async (given: string) => {
      const { name, version } = nameAndVersion(given)
      if (version === undefined) throw new UsageError(`say which version: ${name}@v1`)
      await (await client()).blueprints.retire(name, version)
      process.stdout.write(`${name} v${version} takes no new jobs any more\n`)
    })
  blueprint
    .command('list')
    .description('the blueprints that the server offers')
    .action(async () => {
      for (const { name, version, endpoint } of await (await client()).blueprints.list())
        process.stdout.write(`${name} v${version}${endpoint === null ? '' : `  ${endpoint}`}\n`)
    })
}

/** @throws BlueprintError naming every fault */
const registryOf = async (path: string): Promise<BlueprintRegistry> => {
  const { loadBlueprintFile, loadBlueprints } = await import('@tutti/orchestrator/configuration')
  const { createRegistry } = await engine()
  const isFile = (await stat(path).catch(() => null))?.isFile() === true
  return createRegistry(isFile ? await loadBlueprintFile(path) : await loadBlueprints(path))
}

/** @throws UsageError when it can't be read; what it says is judged by the server */
const readDocument = async (file: string): Promise<BlueprintDocument> => {
  if (!file.endsWith('.json'))
    throw new UsageError(`${file} is no JSON document. Blueprints in TypeScript belong into BLUEPRINTS_DIR.`)
  try {
    return JSON.parse(await readFile(file, 'utf8')) as BlueprintDocument
  } catch (error) {
    throw new UsageError(`${file} can't be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** `order`, or `order@v2`. */
const nameAndVersion = (given: string): { name: string; version: number | undefined } => {
  const [, name = given, version] = /^(.+)@v?(\d+)$/.exec(given) ?? []
  return { name, version: version === undefined ? undefined : Number(version) }
}

const find = (registry: BlueprintRegistry, given: string): LoadedBlueprint | undefined => {
  const { name, version } = nameAndVersion(given)
  return registry.get(name, version)
}

/** @throws UsageError where it is not clear which blueprint is meant */
const oneOf = async (given: string, folder: string | undefined): Promise<Blueprint> => {
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

/** The newest one where no version is named. @throws UsageError, TuttiApiError */
const registeredOne = async ({ blueprints }: Client, given: string): Promise<Blueprint> => {
  const { name, version } = nameAndVersion(given)
  const newest = version ?? (await blueprints.list()).find((each) => each.name === name)?.version
  if (newest === undefined) throw new UsageError(`the server offers no blueprint "${name}"`)
  const { jsonBlueprint } = await engine()
  return jsonBlueprint((await blueprints.document(name, newest)) as unknown as BlueprintDocument)
}
