/** Where jobs come in: checks the input, runs the first handler, and stores job, task and log in one commit. */

import { TuttiError } from '@tutti/contracts'
import { checkInput } from '../blueprint/input.ts'
import type { BlueprintRegistry } from '../blueprint/registry.ts'
import type { JobSpec } from '../engine.ts'
import type { Job } from '../job/job.ts'
import { type NewJob, newJob } from '../job/new-job.ts'
import type { CommitOutcome } from '../store/port.ts'
import { changeOf, type Draft, draftOf, log, setTimer } from '../transition/draft.ts'
import { deadlineTimer } from '../transition/end.ts'
import { advance } from './advance.ts'
import type { InboxDeps } from './inbox.ts'
import { type DrawQuota, drawQuota, giveBack } from './quota.ts'

export interface IntakeDeps extends InboxDeps {
  blueprints: BlueprintRegistry
  quota: DrawQuota
}

export interface Intake {
  /** All or none pass the check and the quota; then each is created on its own. An id that exists answers with the job that is there. */
  create(specs: JobSpec[]): Promise<Job[]>
  /** Begins a job as it is given, after `note` has written the first lines of its log. */
  begin(job: NewJob, note: (draft: Draft) => void): Promise<{ job: Job; outcome: CommitOutcome }>
}

export const createIntake = (deps: IntakeDeps): Intake => {
  /** Ids that are being created here: a batch must not hold two changes of one job, and the second is to find the first. */
  const creating = new Map<string, Promise<unknown>>()
  const createInTurn = async (spec: Checked): Promise<Job> => {
    const { id } = spec
    if (id === undefined) return createOne(deps, spec)
    const before = creating.get(id) ?? Promise.resolve()
    const work = before.then(() => createOne(deps, spec))
    const settled = work.catch(() => {})
    creating.set(id, settled)
    try {
      return await work
    } finally {
      if (creating.get(id) === settled) creating.delete(id)
    }
  }
  return {
    begin: (job, note) => begin(deps, job, note),
    create: async (specs) => {
      const checked = specs.map((spec, at) =>
        check(deps.blueprints, spec, specs.length > 1 ? `body.jobs.${at}` : 'body'),
      )
      const ids = new Set<string>()
      for (const { id } of specs) {
        if (id !== undefined && ids.has(id))
          throw new TuttiError('INVALID_BODY', `the id ${id} is used twice in one call`, { path: 'body.jobs' })
        if (id !== undefined) ids.add(id)
      }
      await refuseConflicts(deps, checked)
      const existing = await drawFor(deps, checked)
      return Promise.all(
        checked.map((spec) => {
          const job = spec.id === undefined ? undefined : existing.get(spec.id)
          return job ? answerOf(spec, job) : createInTurn(spec)
        }),
      )
    },
  }
}

/**
 * Of a request that comes again changed, nothing may be made: not even what is new in it. One job alone is told by its own creation.
 * @throws TuttiError IDEMPOTENCY_CONFLICT
 */
const refuseConflicts = async ({ read }: IntakeDeps, specs: Checked[]): Promise<void> => {
  if (specs.length < 2) return
  const keyed = specs.filter(({ fingerprint }) => fingerprint !== undefined)
  await Promise.all(
    keyed.map(async (spec) => {
      const job = spec.id === undefined ? undefined : await read(spec.id)
      if (job) answerOf(spec, job)
    }),
  )
}

/**
 * Draws what the specs cost. A budget that is empty must not turn away the repetition of a request that was granted before: then those
 * that exist are told apart from those that would be new. Answers the existing ones as far as it had to look.
 */
const drawFor = async ({ quota, read }: IntakeDeps, specs: Checked[]): Promise<Map<string, Job>> => {
  const existing = new Map<string, Job>()
  try {
    await drawQuota(quota, specs)
  } catch (error) {
    if (!(error instanceof TuttiError)) throw error
    const found = await Promise.all(specs.map(({ id }) => (id === undefined ? undefined : read(id))))
    for (const job of found) if (job) existing.set(job.id, job)
    if (existing.size === 0) throw error
    await drawQuota(
      quota,
      specs.filter(({ id }) => id === undefined || !existing.has(id)),
    )
  }
  return existing
}

interface Checked extends JobSpec {
  version: number
  start: string
}

const check = (blueprints: BlueprintRegistry, spec: JobSpec, path: string): Checked => {
  const blueprint = blueprints.get(spec.blueprint)
  if (!blueprint)
    throw new TuttiError('BLUEPRINT_NOT_FOUND', `Blueprint "${spec.blueprint}" not found`, {
      path: `${path}.blueprint`,
    })
  const checked = checkInput(blueprint, spec.input)
  if ('fault' in checked) {
    const where = [path, 'input', ...checked.path].join('.')
    throw new TuttiError(
      'INVALID_BODY',
      `Input validation failed for blueprint '${blueprint.name}': ${checked.fault} at ${where}`,
      { path: where },
    )
  }
  return { ...spec, input: checked.input, version: blueprint.version, start: blueprint.start }
}

const createOne = async (deps: IntakeDeps, spec: Checked): Promise<Job> => {
  const env = deps.env()
  const id = spec.id ?? env.newId()
  const startAt = startOf(spec, env.now)
  const { job, outcome } = await begin(
    deps,
    {
      id,
      blueprint: spec.blueprint,
      version: spec.version,
      start: spec.start,
      client: spec.client,
      input: spec.input,
      priority: spec.priority ?? 0,
      tags: spec.tags ?? [],
      metadata: spec.metadata ?? {},
      deadlineAt: spec.deadlineMs === undefined ? null : Math.round(env.now + spec.deadlineMs),
      startAt,
      wakeAt: startAt,
      origin: spec.origin ?? { kind: 'api' },
      clientFacts: spec.clientFacts ?? { plan: null, params: {} },
      fingerprint: spec.fingerprint ?? null,
      webhook: spec.webhook ?? null,
      trace: spec.trace ?? null,
      dispatchTimeoutMs: spec.dispatchTimeoutMs ?? null,
      resultTimeoutMs: spec.resultTimeoutMs ?? null,
    },
    (draft) =>
      log(draft, 'job_created', {
        blueprint: spec.blueprint,
        version: spec.version,
        client: spec.client,
        ...(startAt === null ? {} : { start_at: new Date(startAt).toISOString() }),
      }),
  )
  if (outcome.accepted) return job
  // Where it is unknown whether the job was made, the commit has thrown, and its quota stays drawn: the repetition gives it back.
  await giveBack(deps.quota, spec)
  return answerOf(spec, await deps.read(id))
}

/** The later of the two; null when that is not in the future. */
const startOf = ({ startAt = 0, delayMs = 0 }: JobSpec, now: number): number | null => {
  const at = Math.round(Math.max(startAt, now + delayMs))
  return at > now ? at : null
}

const begin = async (
  deps: IntakeDeps,
  spec: NewJob,
  note: (draft: Draft) => void,
): Promise<{ job: Job; outcome: CommitOutcome }> => {
  const env = deps.env()
  const draft = draftOf(newJob(spec, env.now), env)
  const { id, deadlineAt } = draft.job
  note(draft)
  if (deadlineAt !== null)
    setTimer(draft, { id: deadlineTimer(id), jobId: id, dueAt: deadlineAt, cause: { type: 'deadline' } })
  const continuation = await advance(draft, deps.advance)
  const change = changeOf(draft, [], [], [])
  const outcome = await deps.commit(change)
  if (outcome.accepted) {
    deps.cache.put(change.job)
    deps.onCommitted(change)
    if (continuation) deps.onContinuation(change.job, continuation.outcome)
  }
  return { job: change.job, outcome }
}

/** What a spec is answered whose id is taken. */
const answerOf = (spec: Checked, existing: Job | undefined): Job => {
  // Somebody else's id is as good as unknown: to say that it exists would tell a stranger about it.
  if (!existing || existing.client !== spec.client)
    throw new TuttiError('INVALID_BODY', `The id ${spec.id} can't be used; choose another`, { path: 'body.id' })
  // 422 is what draft-ietf-httpapi-idempotency-key-header (section 2.7) asks for; 409 is for a first request still under way.
  if (spec.fingerprint !== undefined && existing.fingerprint !== null && existing.fingerprint !== spec.fingerprint)
    throw new TuttiError('IDEMPOTENCY_CONFLICT', `The job ${existing.id} was made from another request`, {
      path: 'body.id',
    })
  return existing
}
