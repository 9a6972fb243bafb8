/**
 * Polls in the order in which they wait, to be found by skill and by what their workers can do. Workers that can do the same are passed
 * over together: looking for one costs no more because ten thousand others wait.
 */
import type { Capabilities } from '../workers/capabilities.ts'

export interface Standing {
  worker: string
  capabilities: Capabilities
  skills: string[]
}

export interface Line<P> {
  /** At the end of the line; also a poll that stood elsewhere. */
  put(poll: P, standing: Standing): void
  remove(poll: P): void
  /** Its place in the line: the lower, the longer it has waited. */
  place(poll: P): number
  ofWorker(id: string): Iterable<P>
  /** By what their workers can do; in each group whoever has waited longest comes first. */
  groups(skill: string): Iterable<[Capabilities, Iterable<P>]>
  skills(): Iterable<string>
  size(): number
}

export const createLine = <P>(): Line<P> => {
  const standings = new Map<P, Standing & { place: number }>()
  const bySkill = new Map<string, Map<Capabilities, Set<P>>>()
  const byWorker = new Map<string, Set<P>>()
  let places = 0

  const line: Line<P> = {
    put: (poll, standing) => {
      line.remove(poll)
      places += 1
      standings.set(poll, { ...standing, place: places })
      within(byWorker, standing.worker, () => new Set<P>()).add(poll)
      for (const skill of standing.skills) {
        const groups = within(bySkill, skill, () => new Map<Capabilities, Set<P>>())
        within(groups, standing.capabilities, () => new Set<P>()).add(poll)
      }
    },
    remove: (poll) => {
      const standing = standings.get(poll)
      if (!standing) return
      standings.delete(poll)
      without(byWorker, standing.worker, poll)
      for (const skill of standing.skills) {
        const groups = bySkill.get(skill)
        if (!groups) continue
        without(groups, standing.capabilities, poll)
        if (groups.size === 0) bySkill.delete(skill)
      }
    },
    place: (poll) => standings.get(poll)?.place ?? Number.POSITIVE_INFINITY,
    ofWorker: (id) => byWorker.get(id) ?? [],
    groups: (skill) => bySkill.get(skill) ?? [],
    skills: () => bySkill.keys(),
    size: () => standings.size,
  }
  return line
}

const within = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

const without = <K, P>(map: Map<K, Set<P>>, key: K, poll: P): void => {
  const polls = map.get(key)
  polls?.delete(poll)
  if (polls?.size === 0) map.delete(key)
}
