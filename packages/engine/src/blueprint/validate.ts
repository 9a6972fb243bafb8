import { type Blueprint, leadsTo, type StateDefinition } from './blueprint.ts'

/** All faults of a blueprint, each in a sentence; none means that it can run. */
export const blueprintFaults = (blueprint: Blueprint): string[] => {
  const faults: string[] = []
  const names = [...blueprint.states, ...blueprint.ends].map((state) => state.name)
  const known = new Set(names)
  if (!/^[A-Za-z0-9_.-]{1,128}$/.test(blueprint.name))
    faults.push(`the name "${blueprint.name}" may hold only letters, digits, _ . -`)
  if (!Number.isInteger(blueprint.version) || blueprint.version < 1)
    faults.push('the version must be a whole number from 1')
  // `:` and `*` would mean something else to a router than to the author.
  if (blueprint.endpoint !== null && !/^(\/[A-Za-z0-9_.~-]+)+$/.test(`/${trimSlashes(blueprint.endpoint)}`))
    faults.push(`the endpoint ${blueprint.endpoint} may hold only letters, digits, _ . ~ - between its slashes`)
  for (const name of new Set(names.filter((name, at) => names.indexOf(name) !== at)))
    faults.push(`the state "${name}" is declared more than once`)

  const starts = blueprint.states.filter((state) => state.start)
  if (starts.length === 0) faults.push('no state is the start: give one { start: true }')
  if (starts.length > 1) faults.push(`more than one start: ${starts.map((state) => state.name).join(', ')}`)
  if (blueprint.ends.length === 0) faults.push('there is no end state: add .end(…)')

  const compensating = new Set(blueprint.states.filter((state) => state.compensates).map((state) => state.name))
  for (const state of blueprint.states) {
    for (const target of leadsTo(state)) {
      if (!known.has(target)) faults.push(`the state "${state.name}" leads to "${target}", which is not declared`)
      else if (state.compensates && !compensating.has(target))
        faults.push(`the state "${state.name}" undoes, and leads to "${target}", which does not: use .undo(…) for both`)
      else if (!state.compensates && compensating.has(target))
        faults.push(`the state "${state.name}" leads to "${target}", which is only there to undo`)
    }
    if (state.run === null && state.conditions.length === 0)
      faults.push(`the state "${state.name}" has no handler: give it one, or add .when("${state.name}", …)`)
    if (state.undo !== null && !compensating.has(state.undo))
      faults.push(`the state "${state.name}" is undone by "${state.undo}", which is not declared with .undo(…)`)
  }

  const [start] = starts
  if (start && starts.length === 1) {
    const reached = reachable(blueprint.states, [start.name])
    for (const name of known)
      if (!reached.has(name) && !compensating.has(name))
        faults.push(`the state "${name}" can't be reached from "${start.name}"`)
  }
  const undone = reachable(
    blueprint.states,
    blueprint.states.flatMap((state) => (state.undo !== null && compensating.has(state.undo) ? state.undo : [])),
  )
  for (const name of compensating) if (!undone.has(name)) faults.push(`the state "${name}" undoes nothing`)
  return faults
}

/** `/a` and `a/` are one address. */
export const trimSlashes = (path: string): string => path.replace(/^\/+|\/+$/g, '')

const reachable = (states: readonly StateDefinition[], from: string[]): Set<string> => {
  const byName = new Map(states.map((state) => [state.name, state]))
  const reached = new Set<string>()
  const queue = [...from]
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (reached.has(name)) continue
    reached.add(name)
    const state = byName.get(name)
    if (state) queue.push(...leadsTo(state))
  }
  return reached
}
