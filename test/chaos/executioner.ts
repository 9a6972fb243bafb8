/**
 * Ends things, at instants drawn from a seed: whichever process comes next, or the one that has just come to a certain place.
 * What it ended comes back after a while that is drawn as well.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '@tutti/stores/simulator'
import { descendants, killNow } from '../kill/processes.ts'
import type { SandboxRecord } from '../kill/sandbox-records.ts'
import { type Installation, leaseSeconds, type Place } from './installation.ts'
import { isAhead, isUnbound, recordsOf } from './leftovers.ts'
import type { Program } from './program.ts'

export type Moment = Place | 'tool' | 'question' | 'any'

export type FaultKind = (typeof faultKinds)[number]

export interface Strike {
  at: number
  kind: FaultKind
  moment: Moment
  /** What was ended. */
  victim: string
  /** Sessions that it had in hand. */
  sessions: string[]
  /** When what was taken away was there again, or was started again; undefined where nothing comes back by itself. */
  backAt?: number
}

export interface Executioner {
  strikes: Strike[]
  /** Something has just come to a place where it may be struck. */
  passed(moment: Moment, sessionId: string): void
  /** Until so many have been struck, or the time is over. */
  run(kills: number, until: number): Promise<void>
  /** Resolves when everything is back. */
  healed(): Promise<void>
}

interface Fault {
  weight: number
  moments: readonly Moment[]
  /** Undefined: there was nobody. */
  strike(sessionId: string | undefined): Promise<Struck | undefined>
}

interface Struck extends Pick<Strike, 'victim' | 'sessions'> {
  /** Resolves when it is back. */
  back?: Promise<void>
}

export interface ExecutionerOptions {
  random: Random
  /** The longest that the object store is away. */
  awayMs: number
  /** Between two strikes. */
  pauseMs: [low: number, high: number]
  /** Nothing else is ended; undefined: everything. */
  only?: readonly FaultKind[] | undefined
}

export const faultKinds = [
  'executor killed',
  'sandbox killed',
  'waiting sandbox killed',
  'manager killed',
  'manager stopped beyond its lease',
  'backend killed',
  'backend stopped for a while',
  'orchestrator killed',
  'postgres ended',
  'objects away',
] as const

/** How long a certain moment is waited for. */
const momentMs = 3_000
/** From a claim until the sandbox that waited is bound to its session; it is not where the session has kept its own. */
const bindingMs = 1_500
const bindingLookMs = 3

export const createExecutioner = (
  installation: Installation,
  { random, awayMs, pauseMs, only = faultKinds }: ExecutionerOptions,
): Executioner => {
  const { hands, managers, backends, orchestrator, database, store } = installation
  const strikes: Strike[] = []
  const repairs = new Set<Promise<void>>()
  const away = new Set<string>()
  let waiting: { moment: Moment; found: (sessionId: string) => void } | undefined

  const later = (ms: number, repair: () => void | Promise<void>): Promise<void> => {
    const one: Promise<void> = delay(ms)
      .then(repair)
      .finally(() => repairs.delete(one))
    repairs.add(one)
    return one
  }
  const handsOf = (manager: string): string[] =>
    [...hands].filter(([, hand]) => hand.manager === manager).map(([sessionId]) => sessionId)
  const managerOf = (sessionId: string | undefined): Program | undefined => {
    const name = sessionId === undefined ? random.pick(managers).name : hands.get(sessionId)?.manager
    return managers.find((one) => one.name === name)
  }
  const anyHand = (): string | undefined => (hands.size === 0 ? undefined : random.pick([...hands.keys()]))

  /** A process of the sandbox that has this session: the outermost, or one of those that we brought into it. */
  const inSandbox = async (sessionId: string | undefined, outermost: boolean) => {
    const session = sessionId ?? anyHand()
    const record = (await recordsOf(installation)).find(({ workspace }) => workspace.includes(session ?? '-'))
    const outer = record?.outer?.pid
    if (session === undefined || outer === undefined) return undefined
    const found = outermost ? [outer] : await descendants(outer, '/opt/tutti')
    if (found.length === 0 || !killNow(random.pick(found))) return undefined
    return { victim: `${outermost ? 'sandbox' : 'executor'} of ${session}`, sessions: [session] }
  }
  /** One that waits for whichever session comes; or one that this session is just given. */
  const waitingSandbox = async (sessionId: string | undefined) => {
    const chosen =
      sessionId === undefined
        ? random.pick((await recordsOf(installation)).filter(isUnbound))
        : await boundTo(sessionId)
    const outer = chosen?.outer?.pid
    if (outer === undefined || !killNow(outer)) return undefined
    const victim = `sandbox ${chosen?.id}`
    return sessionId === undefined
      ? { victim, sessions: [] }
      : { victim: `${victim}, being bound`, sessions: [sessionId] }
  }
  const boundTo = async (sessionId: string): Promise<SandboxRecord | undefined> => {
    for (const until = performance.now() + bindingMs; performance.now() < until; await delay(bindingLookMs)) {
      const bound = (await recordsOf(installation)).find(
        (record) => isAhead(record) && record.workspace.includes(sessionId),
      )
      if (bound) return bound
    }
    return undefined
  }
  const program = async (one: Program | undefined, sessions: () => string[], backMs: number) => {
    if (one === undefined || one.pid() === 0) return undefined
    const affected = sessions()
    if (!(await one.kill())) return undefined
    return { victim: one.name, sessions: affected, back: later(backMs, () => one.start()) }
  }
  const stopped = (one: Program | undefined, sessions: () => string[], ms: number) => {
    if (one === undefined || away.has(one.name) || !one.freeze()) return undefined
    away.add(one.name)
    const back = later(ms, () => {
      away.delete(one.name)
      one.thaw()
    })
    return { victim: one.name, sessions: sessions(), back }
  }
  const taken = async (
    what: string,
    sessions: string[],
    take: () => Promise<void>,
    ms: number,
    back: () => Promise<void>,
  ) => {
    if (away.has(what)) return undefined
    away.add(what)
    await take()
    const isBack = later(ms, async () => {
      await back()
      away.delete(what)
    })
    return { victim: what, sessions, back: isBack }
  }

  const faults: Record<FaultKind, Fault> = {
    'executor killed': { weight: 24, moments: ['tool', 'turn', 'any'], strike: (session) => inSandbox(session, false) },
    'sandbox killed': { weight: 14, moments: ['tool', 'turn', 'any'], strike: (session) => inSandbox(session, true) },
    'waiting sandbox killed': { weight: 8, moments: ['claimed', 'claimed', 'any'], strike: waitingSandbox },
    'manager killed': {
      weight: 18,
      moments: ['claimed', 'turn', 'tool', 'export', 'question', 'any'],
      strike: (session) => {
        const one = managerOf(session)
        // Now and then for so long that another one has to take its runs.
        const back = random.chance(0.25) ? random.between(leaseSeconds * 1000, 9_000) : random.between(0, 1_500)
        return program(one, () => handsOf(one?.name ?? ''), back)
      },
    },
    'manager stopped beyond its lease': {
      weight: 4,
      moments: ['tool', 'export'],
      strike: async (session) => {
        const one = managerOf(session)
        const ms = leaseSeconds * 1000 + random.between(500, 4_000)
        return stopped(one, () => handsOf(one?.name ?? ''), ms)
      },
    },
    'backend killed': {
      weight: 18,
      moments: ['claimed', 'tool', 'question', 'export', 'any'],
      strike: () => program(random.pick(backends), () => [...hands.keys()], random.between(0, 2_500)),
    },
    'backend stopped for a while': {
      weight: 4,
      moments: ['tool', 'export', 'question'],
      strike: async () => stopped(random.pick(backends), () => [...hands.keys()], random.between(500, 7_000)),
    },
    'orchestrator killed': {
      weight: 6,
      moments: ['any', 'claimed', 'export'],
      strike: () => program(orchestrator, () => [], random.between(0, 3_000)),
    },
    'postgres ended': {
      weight: 6,
      moments: ['claimed', 'tool', 'question', 'export', 'any'],
      strike: () =>
        taken(
          'postgres',
          [...hands.keys()],
          () => database.end(random.chance(0.7) ? 'SIGQUIT' : 'SIGKILL'),
          random.between(0, 2_000),
          database.start,
        ),
    },
    'objects away': {
      weight: 3,
      moments: ['export', 'tool'],
      strike: async () =>
        store.away === null
          ? undefined
          : taken('objects', [...hands.keys()], store.away.take, random.between(awayMs / 4, awayMs), store.away.back),
    },
  }
  const kinds = only.filter(
    (kind) =>
      (kind !== 'objects away' || store.away !== null) && (kind !== 'waiting sandbox killed' || installation.pool > 0),
  )
  const drawn = kinds.flatMap((kind) => Array.from({ length: faults[kind].weight }, () => kind))

  /** Undefined: nothing came to that place. */
  const reach = async (moment: Moment): Promise<string | undefined> => {
    const found = new Promise<string>((resolve) => {
      waiting = { moment, found: resolve }
    })
    const none = new AbortController()
    const session = await Promise.race([found, delay(momentMs, undefined, { signal: none.signal })])
    waiting = undefined
    none.abort()
    return session
  }
  const strikeOnce = async (): Promise<boolean> => {
    const kind = random.pick(drawn)
    const fault = faults[kind]
    const moment = random.pick(fault.moments)
    // Some of what follows a place takes a moment to begin.
    const afterMs = random.chance(0.5) || kind === 'waiting sandbox killed' ? 0 : random.between(0, 400)
    const session = moment === 'any' ? undefined : await reach(moment)
    if (moment !== 'any' && session === undefined) return false
    await delay(afterMs)
    const at = Date.now()
    const struck = await fault.strike(session)
    if (struck === undefined) return false
    const { back, ...told } = struck
    const strike: Strike = { at, kind, moment, ...told }
    strikes.push(strike)
    void back?.then(() => {
      strike.backAt = Date.now()
    })
    return true
  }
  return {
    strikes,
    passed: (moment, sessionId) => {
      if (waiting?.moment === moment) waiting.found(sessionId)
    },
    run: async (kills, until) => {
      while (strikes.length < kills && Date.now() < until)
        if (await strikeOnce()) await delay(random.between(...pauseMs))
        else await delay(20)
    },
    healed: async () => {
      while (repairs.size > 0) await Promise.all(repairs)
    },
  }
}
