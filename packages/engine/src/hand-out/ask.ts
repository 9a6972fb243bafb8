/** One look of a poll into its queues, within the worker's own limits by skill and the rates of the installation. */
import type { LeasedTask, TaskRequest } from '../job/task.ts'
import type { KnownQueues } from './known-queues.ts'
import type { Permits } from './permits.ts'

export interface AskDeps {
  lease: (request: TaskRequest) => Promise<LeasedTask[]>
  permits: Permits
  queues: Pick<KnownQueues, 'get'>
  onError: (error: unknown) => void
}

export interface Ask extends TaskRequest {
  perSkill: Record<string, number>
}

interface Group {
  /** null: skills without any limit, together. */
  skill: string | null
  queues: string[]
  limit: number
}

export const createAsk = ({ lease, permits, queues, onError }: AskDeps): ((ask: Ask) => Promise<LeasedTask[]>) => {
  let turn = 0

  const groupsOf = ({ queues: names, perSkill, max }: Ask): Group[] => {
    if (Object.keys(perSkill).length === 0 && !names.some((name) => permits.limits(skillOf(name))))
      return [{ skill: null, queues: names, limit: max }]
    const groups = new Map<string | null, Group>()
    for (const name of names) {
      const skill = skillOf(name)
      const own = Object.hasOwn(perSkill, skill) ? (perSkill[skill] ?? 0) : null
      const key = own !== null || permits.limits(skill) ? skill : null
      const group = groups.get(key) ?? { skill: key, queues: [], limit: Math.min(own ?? max, max) }
      group.queues.push(name)
      groups.set(key, group)
    }
    return [...groups.values()].filter((group) => group.limit > 0)
  }
  const skillOf = (name: string): string => queues.get(name)?.skill ?? name

  const take = async (
    { worker, leaseMs }: Ask,
    { skill, queues: names }: Group,
    max: number,
  ): Promise<LeasedTask[]> => {
    const limited = skill !== null && permits.limits(skill)
    const granted = limited ? await permits.take(skill, max) : max
    if (granted === 0) return []
    const leases = await lease({ worker, queues: names, max: granted, leaseMs })
    if (limited) void permits.giveBack(skill, granted - leases.length)
    return leases
  }

  return async (ask) => {
    const groups = groupsOf(ask)
    const [only] = groups
    if (!only) return []
    if (groups.length === 1) return take(ask, only, only.limit)
    const taken: LeasedTask[] = []
    const attempt = async (group: Group, max: number): Promise<unknown> => {
      try {
        taken.push(...(await take(ask, group, max)))
        return undefined
      } catch (error) {
        return error ?? new Error('no reason')
      }
    }
    const failures: unknown[] = []
    if (groups.reduce((sum, group) => sum + group.limit, 0) <= ask.max)
      failures.push(...(await Promise.all(groups.map((group) => attempt(group, group.limit)))))
    else {
      // Together they might take more than the worker has room for. Each time another skill comes first, or the last would starve.
      turn += 1
      for (let at = 0; at < groups.length && taken.length < ask.max; at += 1) {
        const group = groups[(turn + at) % groups.length] as Group
        failures.push(await attempt(group, Math.min(group.limit, ask.max - taken.length)))
      }
    }
    const failed = failures.filter((failure) => failure !== undefined)
    // What was taken must reach the worker, whatever became of the rest.
    if (failed.length > 0 && taken.length === 0) throw failed[0]
    for (const failure of failed) onError(failure)
    return taken
  }
}
