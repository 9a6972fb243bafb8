import type { Blueprint } from './blueprint.ts'

/** All faults of a blueprint, each in a sentence; none means that it can run. */
export const blueprintFaults = (blueprint: Blueprint): string[] => {
  const faults: string[] = []
  const names = [...blueprint.states, ...blueprint.ends].map((state) => state.name)
  const known = new Set(names)
  if (!/^[A-Za-z0-9_.-]{1,128}$/.test(blueprint.name))
    faults.push(`the name "${blueprint.name}" may hold only letters, digits, _ . -`)
  if (!Number.isInteger(blueprint.version) || blueprint.version < 1)
    faults.push('the version must be a whole number from 1')
  for (const name of new Set(names.filter((name, at) => names.indexOf(name) !== at)))
    faults.push(`the state "${name}" is declared more than once`)

  const starts = blueprint.states.filter((state) => state.start)
  if (starts.length === 0) faults.push('no state is the start: give one { start: true }')
  if (starts.length > 1) faults.push(`more than one start: ${starts.map((state) => state.name).join(', ')}`)
  if (blueprint.ends.length === 0) faults.push('there is no end state: add .end(…)')

  for (const state of blueprint.states)
    for (const target of state.to)
      if (!known.has(target)) faults.push(`the state "${state.name}" leads to "${target}", which is not declared`)

  const [start] = starts
  if (start && starts.length === 1) {
    const reached = new Set<string>()
    const queue = [start.name]
    for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
      if (reached.has(name)) continue
      reached.add(name)
      queue.push(...(blueprint.states.find((state) => state.name === name)?.to ?? []))
    }
    for (const name of known)
      if (!reached.has(name)) faults.push(`the state "${name}" can't be reached from "${start.name}"`)
  }
  return faults
}
