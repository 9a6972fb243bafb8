/** One run of chaos: a load of sessions, an executioner, and the audit of what is left. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from '@tutti/client'
import { createRandom, type Random } from '@tutti/stores/simulator'
import { auditSession } from './audit.ts'
import { createCaller } from './client.ts'
import { tellSession } from './evidence.ts'
import { createExecutioner, type FaultKind, type Strike } from './executioner.ts'
import { readFacts } from './facts.ts'
import { deathOf, resumptions, type Spread, spreadOf, tellSlowest } from './figures.ts'
import { type Installation, leaseSeconds, startInstallation } from './installation.ts'
import { auditEnded, auditIdle, watchSandboxes } from './leftovers.ts'
import type { StoreKind } from './object-store.ts'
import { planJob, planSession } from './plan.ts'
import { type PlayedSession, playSession, type Stage } from './player.ts'
import { measureStretch } from './stretch.ts'

export interface ChaosOptions {
  seed: number
  kills: number
  /** The executioner ends by then, however many it had. */
  longestMs: number
  store: StoreKind
  /** The longest that the object store is away. */
  awayMs: number
  pauseMs: [low: number, high: number]
  /** Only these are ended: to see what one of them costs. */
  only?: readonly FaultKind[] | undefined
  /** Users at a time. */
  users: number
  /** Sandboxes that each manager has waiting. */
  pool: number
  log?: (line: string) => void
}

export interface ChaosResult {
  violations: string[]
  /** Of the sessions that did not hold: their logs, a line each. */
  evidence: string[]
  strikes: Strike[]
  sessions: number
  jobs: number
  /** Ends of turns, counted. */
  ends: Record<string, number>
  /** Milliseconds from a strike to the next line of a session that it hit. */
  resumed: Record<'process' | 'host', Spread>
  resumedBy: Record<string, Spread>
  /** The same from when what was taken away was back. */
  sinceBackBy: Record<string, Spread>
  /** Sandboxes that were started ahead, and those of them that came to a session. */
  ahead: { seen: number; bound: number }
  /** The sessions that took longest, with their logs from the strike on. */
  slowest: string[]
  /** From the last repair until nothing was under way. */
  restMs: number
  stretch: { median: number; worst: number }
  complaints: string[]
  said: Map<string, number>
}

export const runChaos = async (options: ChaosOptions): Promise<ChaosResult> => {
  const { seed, kills, longestMs, store, awayMs, pauseMs, users, pool, log = () => {} } = options
  const random = createRandom(seed)
  const stretch = measureStretch()
  const installation = await startInstallation(store, pool)
  const sandboxes = watchSandboxes(installation)
  const violations: string[] = []
  const evidence: string[] = []
  try {
    const caller = createCaller(installation.backendUrls)
    await caller.get('/sessions')
    const executioner = createExecutioner(installation, {
      random: createRandom(random.between(1, 2 ** 31)),
      ...{ awayMs, pauseMs, only: options.only },
    })
    installation.onStep((sessionId, { place }) => executioner.passed(place, sessionId))
    const closing = new AbortController()
    const stuck = new AbortController()
    const stage: Stage = {
      ...{ caller, closing: closing.signal, stuck: stuck.signal, sessions: [] },
      saw: (sessionId, { type, data }) => {
        if (type === 'tool.call') executioner.passed('tool', sessionId)
        if (type === 'user_input.update' && Array.isArray(data.requests) && data.requests.length > 0)
          executioner.passed('question', sessionId)
      },
    }
    let planned = 0
    const jobs: JobPlayed[] = []
    const user = async (): Promise<void> => {
      while (!closing.signal.aborted) {
        planned += 1
        const own = createRandom(seed * 100_003 + planned)
        if (own.chance(0.1)) jobs.push(await playJob(installation, own, planned, stuck.signal))
        else await playSession(stage, planSession(own, planned))
      }
    }
    const load = Promise.all(
      Array.from({ length: users }, () =>
        user().catch((error: unknown) => {
          violations.push(`a user was let down: ${error instanceof Error ? error.stack : error}`)
        }),
      ),
    )
    await executioner.run(kills, Date.now() + longestMs)
    closing.abort()
    await executioner.healed()
    const healed = Date.now()
    log(`${executioner.strikes.length} struck, all is back; waiting for what is under way`)
    const limitMs = restLimitMs(stretch.median(), users)
    const impatience = setTimeout(() => stuck.abort(), limitMs)
    await load
    clearTimeout(impatience)
    const restMs = Date.now() - healed
    if (stuck.signal.aborted) violations.push(`not everything had come to an end ${limitMs} ms after the last repair`)

    const logs = new Map<string, PlayedSession['follower']['frames']>()
    const ends: Record<string, number> = {}
    for (const session of stage.sessions)
      try {
        await session.follower.readOn()
        const facts = await readFacts(caller, session)
        logs.set(session.sessionId, facts.frames)
        for (const { turn, end } of session.turns) {
          const named = `${turn.kind} ${end ?? 'stuck'}`
          ends[named] = (ends[named] ?? 0) + 1
        }
        const broken = auditSession(session, {
          facts,
          strikes: executioner.strikes,
          calls: installation.provider.calls,
        })
        violations.push(...broken)
        if (broken.length > 0) evidence.push(...tellSession(session, facts, executioner.strikes))
      } catch (error) {
        violations.push(`${session.name} (${session.sessionId}): ${error instanceof Error ? error.message : error}`)
      }
    for (const { job, tags, end, violation } of jobs) {
      const named = `job ${end}`
      ends[named] = (ends[named] ?? 0) + 1
      if (violation !== undefined) violations.push(`job ${job} of ${tags}: ${violation}`)
    }
    violations.push(...(await auditLedger(installation)))
    violations.push(...(await auditIdle(installation)))
    for (const name of await installation.stop()) violations.push(`${name} did not end by itself`)
    sandboxes.stop()
    violations.push(...sandboxes.left(), ...(await auditEnded(installation)))

    const resumed = { process: [] as number[], host: [] as number[] }
    const found = resumptions(executioner.strikes, logs)
    for (const { strike, ms } of found) resumed[deathOf(strike)].push(ms)
    const byKind = Map.groupBy(found, ({ strike }) => strike.kind)
    return {
      ...{
        violations,
        evidence,
        strikes: executioner.strikes,
        sessions: stage.sessions.length,
        jobs: jobs.length,
        ends,
        restMs,
      },
      resumed: { process: spreadOf(resumed.process), host: spreadOf(resumed.host) },
      resumedBy: Object.fromEntries([...byKind].map(([kind, all]) => [kind, spreadOf(all.map(({ ms }) => ms))])),
      sinceBackBy: Object.fromEntries(
        [...byKind].map(([kind, all]) => [kind, spreadOf(all.map(({ sinceBackMs }) => sinceBackMs))]),
      ),
      ahead: sandboxes.ahead(),
      slowest: tellSlowest(found, { logs, strikes: executioner.strikes, heard: installation.heard }),
      stretch: { median: stretch.median(), worst: stretch.worst() },
      ...{ complaints: installation.complaints, said: installation.said },
    }
  } finally {
    sandboxes.stop()
    await stretch.stop()
    await installation.remove()
  }
}

/** On a machine that is slower than that nothing is measured. */
const mostStretch = 6

/** A lease, two seconds, and the pauses between three tries; then a turn of each user, two at a time. */
const restLimitMs = (stretch: number, users: number): number =>
  (leaseSeconds + 2 + 6) * 1000 * 2 + Math.round(15_000 * Math.ceil(users / 2) * Math.min(stretch, mostStretch))

interface JobPlayed {
  job: string
  tags: string
  end: string
  violation: string | undefined
}

/** A job whose two states have an agent at work each. */
const playJob = async (
  { orchestratorUrl, clientToken }: Installation,
  random: Random,
  n: number,
  stuck: AbortSignal,
): Promise<JobPlayed> => {
  const { jobs } = createClient({ url: orchestratorUrl, token: clientToken })
  const [first, second] = planJob(random, n)
  const job = randomUUID()
  const tags = `${first.tag} and ${second.tag}`
  const persist = async <T>(ask: () => Promise<T>): Promise<T | undefined> => {
    while (!stuck.aborted)
      try {
        return await ask()
      } catch (error) {
        const { status = 0 } = error as { status?: number }
        if (status >= 400 && status < 500) throw error
        await delay(200)
      }
    return undefined
  }
  const input = { first: first.prompt, second: second.prompt }
  await persist(() => jobs.create({ id: job, blueprint: 'chaos_pair', input }))
  for (;;) {
    const view = await persist(() => jobs.get(job))
    if (view === undefined) return { job, tags, end: 'stuck', violation: 'it never ended' }
    if (['finished', 'failed', 'cancelled', 'quarantined', 'error'].includes(view.status)) {
      const log = (await persist(() => jobs.history(job))) ?? []
      const gap = log.some(({ seq }, at) => seq !== at + 1)
      const queued = log.filter(({ event_type }) => event_type === 'task_queued').map(({ data }) => data.task_id)
      const finished = log.filter(({ event_type }) => event_type === 'task_finished').map(({ data }) => data.task_id)
      const violation = gap
        ? 'its log has a gap'
        : new Set(finished).size !== finished.length || new Set(queued).size > 2
          ? `its tasks ${queued} ended as ${finished}`
          : undefined
      return { job, tags, end: view.status, violation }
    }
    await delay(300)
  }
}

/** The ledger knows no call that was not made, and counts no more than the provider did. */
const auditLedger = async ({ database, provider }: Installation): Promise<string[]> => {
  const [ledger] = await database.query<{ calls: string; tokens: string; open: string }>(
    `select count(*) as calls, count(*) filter (where state = 'open') as open,
       coalesce(sum(input_tokens + output_tokens) filter (where state = 'ended' and complete), 0) as tokens
     from workbench.model_calls`,
  )
  const asked = provider.calls.reduce((sum, { tokens }) => sum + tokens, 0)
  const found: string[] = []
  if (Number(ledger?.tokens) > asked) found.push(`the ledger counts ${ledger?.tokens} tokens, the provider ${asked}`)
  const [sums] = await database.query<{ spent: string; called: string }>(
    `select coalesce((select sum(input_tokens + output_tokens) from workbench.spent where scope = 'session' and period = ''), 0) as spent,
       (select coalesce(sum(input_tokens + output_tokens), 0) from workbench.model_calls) as called`,
  )
  if (sums?.spent !== sums?.called) found.push(`the sums say ${sums?.spent} tokens, the calls ${sums?.called}`)
  return found
}
