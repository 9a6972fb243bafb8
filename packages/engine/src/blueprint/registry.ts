import type { Blueprint, EndDefinition, StateDefinition } from './blueprint.ts'
import { blueprintFaults } from './validate.ts'

export class BlueprintError extends Error {
  override readonly name = 'BlueprintError'
}

/** A blueprint ready to run: its states by name. */
export interface LoadedBlueprint extends Blueprint {
  readonly start: string
  state(name: string): StateDefinition | undefined
  endState(name: string): EndDefinition | undefined
}

/** The blueprints of this instance. A running job stays on the version it started with, so versions live side by side. */
export interface BlueprintRegistry {
  /** The newest version, or the one asked for. */
  get(name: string, version?: number): LoadedBlueprint | undefined
  /** The newest version of each, by name. */
  list(): LoadedBlueprint[]
  names(): string[]
  /** All that can run here. */
  versions(): { name: string; version: number }[]
}

/** @throws BlueprintError naming every fault of every blueprint */
export const createRegistry = (blueprints: readonly Blueprint[]): BlueprintRegistry => {
  const faults = blueprints.flatMap((blueprint) =>
    blueprintFaults(blueprint).map((fault) => `blueprint "${blueprint.name}" v${blueprint.version}: ${fault}`),
  )
  const byName = new Map<string, Map<number, LoadedBlueprint>>()
  for (const blueprint of blueprints) {
    const versions = byName.get(blueprint.name) ?? new Map<number, LoadedBlueprint>()
    if (versions.has(blueprint.version))
      faults.push(`blueprint "${blueprint.name}" v${blueprint.version} is there twice`)
    versions.set(blueprint.version, load(blueprint))
    byName.set(blueprint.name, versions)
  }
  const endpoints = [...byName.values()].map(newest).filter((blueprint) => blueprint.endpoint !== null)
  for (const { endpoint, name } of endpoints)
    if (endpoints.some((other) => other.endpoint === endpoint && other.name < name))
      faults.push(`blueprint "${name}": the endpoint ${endpoint} belongs to another blueprint`)
  if (faults.length > 0) throw new BlueprintError(faults.join('\n'))

  return {
    get: (name, version) => {
      const versions = byName.get(name)
      return version === undefined ? versions && newest(versions) : versions?.get(version)
    },
    list: () => [...byName.values()].map(newest).sort((a, b) => a.name.localeCompare(b.name)),
    names: () => [...byName.keys()],
    versions: () =>
      [...byName].flatMap(([name, versions]) => [...versions.keys()].map((version) => ({ name, version }))),
  }
}

const newest = (versions: Map<number, LoadedBlueprint>): LoadedBlueprint =>
  versions.get(Math.max(...versions.keys())) as LoadedBlueprint

const load = (blueprint: Blueprint): LoadedBlueprint => {
  const states = new Map(blueprint.states.map((state) => [state.name, state]))
  const ends = new Map(blueprint.ends.map((end) => [end.name, end]))
  return {
    ...blueprint,
    start: blueprint.states.find((state) => state.start)?.name ?? '',
    state: (name) => states.get(name),
    endState: (name) => ends.get(name),
  }
}
