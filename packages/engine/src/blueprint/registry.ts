/**
 * The blueprints of this instance. A running job stays on the version it started with, so versions live side by side, and one that is
 * no longer offered for new jobs stays for those that run.
 */
import type { Blueprint, EndDefinition, StateDefinition } from './blueprint.ts'
import { fingerprintOf } from './fingerprint.ts'
import { blueprintFaults, trimSlashes } from './validate.ts'

export class BlueprintError extends Error {
  override readonly name = 'BlueprintError'
}

/** Where blueprints come from: the program itself, files of BLUEPRINTS_DIR, or the API. */
export type BlueprintOrigin = 'code' | 'dir' | 'api'

/** A blueprint ready to run: its states by name. */
export interface LoadedBlueprint extends Blueprint {
  readonly origin: BlueprintOrigin
  /** Hash of what it does: two of one name and version that differ are told apart by it. */
  readonly fingerprint: string
  readonly start: string
  state(name: string): StateDefinition | undefined
  endState(name: string): EndDefinition | undefined
}

/** What a change of the registry did. */
export interface RegistryChange {
  added: LoadedBlueprint[]
  /**
   * The same name and version, loaded anew: handlers that start from now on run the new one. `changed`: its definition is another one, and
   * not only, as far as can be seen, what it calls.
   */
  replaced: { former: LoadedBlueprint; now: LoadedBlueprint; changed: boolean }[]
  /** No longer offered for new jobs; running ones go on. */
  retired: LoadedBlueprint[]
}

export interface BlueprintRegistry {
  /** The newest version that is offered to new jobs; or the one asked for, also when it is only there for running jobs. */
  get(name: string, version?: number): LoadedBlueprint | undefined
  /** The newest version of each that is offered, by name. */
  list(): LoadedBlueprint[]
  names(): string[]
  /** All that can run here. */
  versions(): { name: string; version: number }[]
  /**
   * Makes these the blueprints of the origin, all or none: what was there before and is not among them is retired.
   * @throws BlueprintError naming every fault of every blueprint; nothing has changed then
   */
  replace(origin: BlueprintOrigin, blueprints: readonly Blueprint[]): RegistryChange
  /**
   * Adds one. The same again changes nothing; another definition under a version that is or was there is refused, since jobs may
   * be in the middle of it. @throws BlueprintError
   */
  add(origin: BlueprintOrigin, blueprint: Blueprint): RegistryChange
  /** What `add` would refuse. @throws BlueprintError */
  check(origin: BlueprintOrigin, blueprint: Blueprint): void
  /** Makes one known to running jobs and offers it to no new ones: a version that was retired before this process began. @throws BlueprintError */
  keep(origin: BlueprintOrigin, blueprint: Blueprint): void
  /** Retires a version, or all of a name. @returns what was retired; nothing where there was none of that origin */
  remove(origin: BlueprintOrigin, name: string, version?: number): RegistryChange
  /** Called after each change that changed anything. @returns the way to stop it */
  onChange(listener: (change: RegistryChange) => void): () => void
}

/** @throws BlueprintError naming every fault of every blueprint */
export const createRegistry = (blueprints: readonly Blueprint[]): BlueprintRegistry => {
  let offered: readonly LoadedBlueprint[] = []
  let retired: readonly LoadedBlueprint[] = []
  let offers = index(offered)
  let known = index(offered)
  const listeners = new Set<(change: RegistryChange) => void>()

  const refuseOther = ({ name, version, fingerprint }: LoadedBlueprint): void => {
    const former = known.get(name)?.get(version)
    if (former && former.fingerprint !== fingerprint)
      throw new BlueprintError(
        `blueprint "${name}" v${version} is there with another definition, and jobs may be in the middle of it: give this one a new version`,
      )
  }
  const isOffered = (blueprint: LoadedBlueprint): boolean => offered.some((each) => sameVersion(each, blueprint))
  /** The one way in which the offer changes. */
  const install = (wanted: readonly LoadedBlueprint[]): RegistryChange => {
    const faults = faultsOf(wanted)
    if (faults.length > 0) throw new BlueprintError(faults.join('\n'))
    const change: RegistryChange = { added: [], replaced: [], retired: [] }
    const now = new Set(wanted)
    for (const blueprint of wanted) {
      if (offered.includes(blueprint)) continue
      const former = known.get(blueprint.name)?.get(blueprint.version)
      if (former && former !== blueprint)
        change.replaced.push({ former, now: blueprint, changed: former.fingerprint !== blueprint.fingerprint })
      if (!offered.some((each) => sameVersion(each, blueprint))) change.added.push(blueprint)
    }
    change.retired = offered.filter((each) => !now.has(each) && !wanted.some((other) => sameVersion(each, other)))
    retired = [...retired, ...change.retired].filter((each) => !wanted.some((other) => sameVersion(each, other)))
    offered = wanted
    offers = index(offered)
    known = index([...retired, ...offered])
    if (change.added.length + change.replaced.length + change.retired.length > 0)
      for (const listener of listeners) listener(change)
    return change
  }
  /** A definition that says the same as the one in use is that one: its data stores stay open. */
  const settled = (blueprint: LoadedBlueprint): LoadedBlueprint => {
    const former = known.get(blueprint.name)?.get(blueprint.version)
    const same = former?.origin === blueprint.origin && former.fingerprint === blueprint.fingerprint
    return same && blueprint.source !== null ? former : blueprint
  }
  install(blueprints.map((blueprint) => load('code', blueprint)))

  return {
    get: (name, version) => (version === undefined ? newest(offers.get(name)) : known.get(name)?.get(version)),
    list: () => [...offers.values()].flatMap((versions) => newest(versions) ?? []).sort(byName),
    names: () => [...offers.keys()],
    versions: () =>
      [...known].flatMap(([name, versions]) => [...versions.keys()].map((version) => ({ name, version }))),
    replace: (origin, given) =>
      install([
        ...offered.filter((each) => each.origin !== origin),
        ...given.map((blueprint) => settled(load(origin, blueprint))),
      ]),
    add: (origin, given) => {
      const blueprint = load(origin, given)
      refuseOther(blueprint)
      if (isOffered(blueprint)) return { added: [], replaced: [], retired: [] }
      return install([...offered, settled(blueprint)])
    },
    check: (origin, given) => {
      const blueprint = load(origin, given)
      refuseOther(blueprint)
      if (isOffered(blueprint)) return
      const faults = faultsOf([...offered, blueprint])
      if (faults.length > 0) throw new BlueprintError(faults.join('\n'))
    },
    keep: (origin, given) => {
      const blueprint = load(origin, given)
      refuseOther(blueprint)
      const faults = faultsOf([blueprint])
      if (faults.length > 0) throw new BlueprintError(faults.join('\n'))
      if (known.get(blueprint.name)?.has(blueprint.version)) return
      retired = [...retired, blueprint]
      known = index([...retired, ...offered])
    },
    remove: (origin, name, version) =>
      install(
        offered.filter(
          (each) => each.origin !== origin || each.name !== name || (version !== undefined && each.version !== version),
        ),
      ),
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

type Index = Map<string, Map<number, LoadedBlueprint>>

const index = (blueprints: readonly LoadedBlueprint[]): Index => {
  const found: Index = new Map()
  for (const blueprint of blueprints) {
    const versions = found.get(blueprint.name) ?? new Map<number, LoadedBlueprint>()
    found.set(blueprint.name, versions.set(blueprint.version, blueprint))
  }
  return found
}

const newest = (versions: Map<number, LoadedBlueprint> | undefined): LoadedBlueprint | undefined =>
  versions?.get(Math.max(...versions.keys()))

const byName = (a: Blueprint, b: Blueprint): number => a.name.localeCompare(b.name)

const sameVersion = (a: Blueprint, b: Blueprint): boolean => a.name === b.name && a.version === b.version

/** Faults of each, and those that they have only together. */
const faultsOf = (blueprints: readonly LoadedBlueprint[]): string[] => {
  const faults = blueprints.flatMap((blueprint) =>
    blueprintFaults(blueprint).map((fault) => `blueprint "${blueprint.name}" v${blueprint.version}: ${fault}`),
  )
  for (const [at, blueprint] of blueprints.entries())
    if (blueprints.findIndex((other) => sameVersion(other, blueprint)) < at)
      faults.push(`blueprint "${blueprint.name}" v${blueprint.version} is there twice`)
  const endpoints = [...index(blueprints).values()]
    .flatMap((versions) => newest(versions) ?? [])
    .filter((blueprint) => blueprint.endpoint !== null)
  for (const blueprint of endpoints)
    if (endpoints.some((other) => pathOf(other) === pathOf(blueprint) && other.name < blueprint.name))
      faults.push(`blueprint "${blueprint.name}": the endpoint ${blueprint.endpoint} belongs to another blueprint`)
  return faults
}

const pathOf = ({ endpoint }: Blueprint): string => trimSlashes(endpoint ?? '')

const load = (origin: BlueprintOrigin, blueprint: Blueprint): LoadedBlueprint => {
  const states = new Map(blueprint.states.map((state) => [state.name, state]))
  const ends = new Map(blueprint.ends.map((end) => [end.name, end]))
  return {
    ...blueprint,
    origin,
    fingerprint: fingerprintOf(blueprint),
    start: blueprint.states.find((state) => state.start)?.name ?? '',
    state: (name) => states.get(name),
    endState: (name) => ends.get(name),
  }
}
