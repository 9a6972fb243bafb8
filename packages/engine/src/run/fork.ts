/** A new job from a past state of another: what that one knew then is read from its log. */
import { type Json, TuttiError } from '@tutti/contracts'
import { checkInput } from '../blueprint/input.ts'
import type { BlueprintRegistry, LoadedBlueprint } from '../blueprint/registry.ts'
import type { ForkRequest } from '../engine.ts'
import type { Job, JobEvent } from '../job/job.ts'
import { type Knowledge, lastEntered, stateAt } from '../job/state-at.ts'
import type { Store } from '../store/port.ts'
import { log } from '../transition/draft.ts'
import type { Intake } from './intake.ts'

export interface ForkDeps {
  blueprints: BlueprintRegistry
  newId: () => string
  events: Store['events']
  begin: Intake['begin']
}

const page = 1_000

/** @throws TuttiError INVALID_BODY, BLUEPRINT_NOT_FOUND */
export const forkJob = async (deps: ForkDeps, job: Job, from: ForkRequest): Promise<Job> => {
  const version = from.version ?? job.version
  const blueprint = deps.blueprints.get(job.blueprint, version)
  if (!blueprint)
    throw new TuttiError('BLUEPRINT_NOT_FOUND', `Blueprint "${job.blueprint}" v${version} is not loaded here`, {
      path: 'body.version',
    })
  const input = from.input === undefined ? job.input : checkedInput(blueprint, from.input)
  const events = await wholeLog(deps, job)
  const seq = seqOf(blueprint, job, events, from)
  const known = stateAt(events, seq)
  if (!hasState(blueprint, known.state))
    throw invalid(
      `"${job.blueprint}" v${version} has no state "${known.state}"`,
      from.seq === undefined ? 'state' : 'seq',
    )
  const begun = { ...known, data: { ...known.data, ...from.data } }
  const { job: fork, outcome } = await deps.begin(
    {
      id: deps.newId(),
      blueprint: job.blueprint,
      version,
      start: begun.state,
      client: job.client,
      input,
      priority: job.priority,
      tags: job.tags,
      metadata: job.metadata,
      origin: { kind: 'fork', jobId: job.id, seq },
      clientFacts: job.clientFacts,
      webhook: job.webhook,
      dispatchTimeoutMs: job.dispatchTimeoutMs,
      resultTimeoutMs: job.resultTimeoutMs,
      ...begun,
    },
    (draft) => {
      log(draft, 'job_created', { blueprint: job.blueprint, version, client: job.client })
      log(draft, 'job_forked', { from_job_id: job.id, from_seq: seq, by: from.by, ...asJson(begun) })
    },
  )
  if (!outcome.accepted) throw new Error(`the id ${fork.id} was made twice`)
  return fork
}

/** The only full copy in a log, once per fork: all lines after it are changes again. */
const asJson = ({ data, results, branches, last }: Knowledge): Record<string, Json> => ({
  data,
  results,
  branches: branches as unknown as Json,
  last: last as unknown as Json,
})

const wholeLog = async ({ events }: ForkDeps, job: Job): Promise<JobEvent[]> => {
  const lines: JobEvent[] = []
  while (lines.length < job.seq) {
    const more = await events(job.id, lines.at(-1)?.seq ?? 0, page)
    if (more.length === 0) break
    lines.push(...more)
  }
  return lines
}

const hasState = (blueprint: LoadedBlueprint, name: string): boolean =>
  blueprint.state(name) !== undefined || blueprint.endState(name) !== undefined

/** The line of the log after which the fork goes on. */
const seqOf = (blueprint: LoadedBlueprint, job: Job, events: JobEvent[], { state, seq }: ForkRequest): number => {
  if (seq !== undefined) {
    if (!Number.isInteger(seq) || seq < 1 || seq > job.seq)
      throw invalid(`the log has the lines 1 to ${job.seq}, not ${seq}`, 'seq')
    if (state !== undefined && stateAt(events, seq).state !== state)
      throw invalid(`at line ${seq} the job was not in "${state}"`, 'state')
    return seq
  }
  // Again from an end would only be the same end.
  const entered = lastEntered(events, (name) =>
    state === undefined ? blueprint.state(name) !== undefined : name === state,
  )
  if (entered === undefined)
    throw invalid(
      state === undefined ? 'the job was in no state of this version' : `the job was never in the state "${state}"`,
      'state',
    )
  return entered
}

const checkedInput = (blueprint: LoadedBlueprint, given: Job['input']): Job['input'] => {
  const checked = checkInput(blueprint, given)
  if ('fault' in checked) throw invalid(checked.fault, ['input', ...checked.path].join('.'))
  return checked.input
}

const invalid = (message: string, field: string): TuttiError =>
  new TuttiError('INVALID_BODY', message, { path: `body.${field}` })
