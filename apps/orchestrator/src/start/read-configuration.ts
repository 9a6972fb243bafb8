/** Everything that a start is told from outside: environment, files and blueprints, checked together and before anything is opened. */
import {
  ConfigError,
  checkSchedules,
  type Environment,
  type Fault,
  type LoadedOrchestrator,
  loadOrchestrator,
} from '@tutti/config'
import { type Blueprint, BlueprintError, createRegistry } from '@tutti/engine'
import { loadBlueprints } from './load-blueprints.ts'

export interface Configuration extends LoadedOrchestrator {
  /** The blueprints of BLUEPRINTS_DIR. */
  found: Blueprint[]
  /** Schedules that name a blueprint which is in none of the files: it must have been registered over the API. */
  unknown: Fault[]
}

export interface BroughtAlong {
  /** Whether the process has to open a store itself. */
  ownStore?: boolean
  blueprints?: readonly Blueprint[]
}

/** @throws ConfigError with every fault of variables, files and blueprints */
export const readConfiguration = async (
  env: Environment,
  { ownStore = true, blueprints: given = [] }: BroughtAlong = {},
): Promise<Configuration> => {
  const loaded = load(env, ownStore)
  const { found, faults } = await findBlueprints(env.BLUEPRINTS_DIR ?? '', given)
  if (loaded instanceof ConfigError) throw new ConfigError([...loaded.faults, ...faults])
  if (faults.length > 0) throw new ConfigError(faults)
  const blueprints = new Set([...given, ...found].map(({ name }) => name))
  return { ...loaded, found, unknown: loaded.schedules ? checkSchedules(loaded.schedules, { blueprints }) : [] }
}

const load = (env: Environment, ownStore: boolean): LoadedOrchestrator | ConfigError => {
  try {
    return loadOrchestrator(env, { ownStore })
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
}

const findBlueprints = async (
  folder: string,
  given: readonly Blueprint[],
): Promise<{ found: Blueprint[]; faults: Fault[] }> => {
  try {
    const found = folder === '' ? [] : await loadBlueprints(folder)
    createRegistry([...given, ...found])
    return { found, faults: [] }
  } catch (error) {
    if (!(error instanceof BlueprintError)) throw error
    return { found: [], faults: blueprintFaults(error) }
  }
}

export const blueprintFaults = (error: BlueprintError): Fault[] =>
  error.message
    .split('\n')
    .map((what) => ({ source: 'BLUEPRINTS_DIR', what, remedy: 'Mend the blueprint and start again.' }))
