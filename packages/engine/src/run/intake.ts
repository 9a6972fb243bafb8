/** Where jobs come in: checks the input, runs the first handler, and stores job, task and log in one commit. */

import { TuttiError } from '@tutti/contracts'
import { checkInput } from '../blueprint/input.ts'
import type { BlueprintRegistry } from '../blueprint/registry.ts'
import type { JobSpec } from '../engine.ts'
import type { Job } from '../job/job.ts'
import { newJob } from '../transition/act.ts'
import { changeOf, draftOf, log, setTimer } from '../transition/draft.ts'
import { deadlineTimer } from '../transition/end.ts'
import { advance } from './advance.ts'
import type { InboxDeps } from './inbox.ts'

export interface IntakeDeps extends InboxDeps {
  blueprints: BlueprintRegistry
}

export interface Intake {
  /** All or none pass the check; then each is created on its own. An id that exists answers with the job that is there. */
  create(specs: JobSpec[]): Promise<Job[]>
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
      return Promise.all(checked.map(createInTurn))
    },
  }
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
  const deadlineAt = spec.deadlineMs === undefined ? null : Math.round(env.now + spec.deadlineMs)
  const draft = draftOf(
    newJob(
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
        parentId: null,
        deadlineAt,
      },
      env.now,
    ),
    env,
  )
  log(draft, 'job_created', { blueprint: spec.blueprint, version: spec.version, client: spec.client })
  if (deadlineAt !== null)
    setTimer(draft, { id: deadlineTimer(id), jobId: id, dueAt: deadlineAt, cause: { type: 'deadline' } })
  const continuation = await advance(draft, deps.advance)
  const change = changeOf(draft, [], [], [])
  const outcome = await deps.commit(change)
  if (outcome.accepted) {
    deps.cache.put(change.job)
    deps.onCommitted(change)
    if (continuation) deps.onContinuation(change.job, continuation.outcome)
    return change.job
  }
  const existing = await deps.read(id)
  // Somebody else's id is as good as unknown: to say that it exists would tell a stranger about it.
  if (!existing || existing.client !== spec.client)
    throw new TuttiError('INVALID_BODY', `The id ${id} can't be used; choose another`, { path: 'body.id' })
  return existing
}
