/**
 * The queues that hold tasks, or did lately. The Store is asked now and then, and news tell of new ones. A skill's plain queue counts as
 * known always, so that the common case needs no knowledge at all.
 */
import { parseQueue, type Queue } from '../job/needs.ts'
import type { Capabilities } from '../workers/capabilities.ts'
import { whyUnfit } from './fits.ts'

export interface KnownQueue extends Queue {
  name: string
  /** Why workers with these capabilities do not fit, or null when they do. Remembered for as long as both exist. */
  whyUnfit(capabilities: Capabilities): string | null
}

export interface KnownQueues {
  get(name: string): KnownQueue | undefined
  /** Without remembering it. */
  read(name: string): KnownQueue | undefined
  /** What is told of a queue that can't be read (of a later version, say) is left alone. */
  add(name: string): KnownQueue | undefined
  /** The skill's plain queue first. */
  of(skill: string): Iterable<KnownQueue>
  all(): Iterable<KnownQueue>
  /** Changes whenever `of(skill)` answers anything else than before. */
  version(skill: string): number
  /** Asks the Store when that was too long ago. Resolves when something is known, at the first time; later it does not wait. */
  refresh(): Promise<void>
  /** Anything may have changed: the next refresh asks. */
  doubt(): void
}

export interface KnownQueuesDeps {
  readAll: () => Promise<string[]>
  now: () => number
  maxAgeMs: number
  /** A queue that nobody had told of. */
  onNew: (queue: KnownQueue) => void
  onError: (error: unknown) => void
}

export const createKnownQueues = ({
  readAll: readNames,
  now,
  maxAgeMs,
  onNew,
  onError,
}: KnownQueuesDeps): KnownQueues => {
  const byName = new Map<string, KnownQueue>()
  const bySkill = new Map<string, Map<string, KnownQueue>>()
  const versions = new Map<string, number>()
  const plains = new Map<string, KnownQueue>()
  let readAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | null = null
  /** Told of since the reading began: the answer may be older. */
  let recent = new Set<string>()

  const touch = (skill: string): void => {
    versions.set(skill, (versions.get(skill) ?? 0) + 1)
  }
  const add = (name: string): KnownQueue | undefined => {
    recent.add(name)
    const known = byName.get(name)
    if (known) return known
    const queue = plains.get(name) ?? knownQueue(name)
    if (!queue) return undefined
    byName.set(name, queue)
    const queues = bySkill.get(queue.skill) ?? new Map<string, KnownQueue>()
    bySkill.set(queue.skill, queues.set(name, queue))
    touch(queue.skill)
    return queue
  }
  /** A skill whose name looks like one of the other queues has none. */
  const plainOf = (skill: string): KnownQueue | undefined => {
    const known = plains.get(skill) ?? byName.get(skill)
    if (known || skill.startsWith('[')) return known
    const plain = knownQueue(skill)
    if (plain) plains.set(skill, plain)
    return plain
  }
  const drop = (queue: KnownQueue): void => {
    byName.delete(queue.name)
    const queues = bySkill.get(queue.skill)
    queues?.delete(queue.name)
    if (queues?.size === 0) bySkill.delete(queue.skill)
    touch(queue.skill)
  }
  const readAll = async (): Promise<void> => {
    recent = new Set()
    const began = now()
    const names = await readNames()
    readAt = began
    const found = new Set(names)
    for (const queue of [...byName.values()]) if (!found.has(queue.name) && !recent.has(queue.name)) drop(queue)
    for (const name of found) {
      if (byName.has(name)) continue
      const queue = add(name)
      if (queue) onNew(queue)
    }
  }

  return {
    get: (name) => byName.get(name) ?? plains.get(name),
    read: knownQueue,
    add,
    of: function* (skill) {
      const queues = bySkill.get(skill)
      const plain = plainOf(skill)
      if (plain && !queues?.has(plain.name)) yield plain
      if (queues) yield* queues.values()
    },
    all: () => byName.values(),
    version: (skill) => versions.get(skill) ?? 0,
    refresh: async () => {
      if (now() - readAt < maxAgeMs) return
      reading ??= readAll().finally(() => {
        reading = null
      })
      if (readAt === Number.NEGATIVE_INFINITY) await reading
      else reading.catch(onError)
    },
    doubt: () => {
      // Not never: what is known until then is still worth more than nothing.
      readAt = Math.min(readAt, now() - maxAgeMs)
    },
  }
}

const knownQueue = (name: string): KnownQueue | undefined => {
  try {
    const queue = parseQueue(name)
    const verdicts = new WeakMap<Capabilities, { why: string | null }>()
    return {
      ...queue,
      name,
      whyUnfit: (capabilities) => {
        const verdict = verdicts.get(capabilities) ?? { why: whyUnfit(queue, capabilities) }
        verdicts.set(capabilities, verdict)
        return verdict.why
      },
    }
  } catch {
    return undefined
  }
}
