/** What people and programs ask of one job: each is a cause for its inbox, and an answer in their terms. */
import { type Json, TuttiError } from '@tutti/contracts'
import { checkEvent } from '../blueprint/input.ts'
import type { BlueprintRegistry, LoadedBlueprint } from '../blueprint/registry.ts'
import type { Engine } from '../engine.ts'
import type { Cause } from '../job/cause.ts'
import type { Job } from '../job/job.ts'
import type { Store } from '../store/port.ts'
import { forkJob } from './fork.ts'
import type { Inbox, Receipt } from './inbox.ts'
import type { Intake } from './intake.ts'

export interface CommandsDeps {
  store: Pick<Store, 'events' | 'removeJobs'>
  blueprints: BlueprintRegistry
  newId: () => string
  /** The job, if it is the client's. @throws TuttiError JOB_NOT_FOUND */
  own: (id: string, client: string | null) => Promise<Job>
  deliver: Inbox['deliver']
  begin: Intake['begin']
}

export type Commands = Pick<
  Engine,
  'cancel' | 'approve' | 'pause' | 'resume' | 'update' | 'signal' | 'fork' | 'migrate' | 'remove'
>

export const createCommands = (deps: CommandsDeps): Commands => {
  const { own, blueprints } = deps
  const ask = async (id: string, client: string | null, cause: Cause): Promise<Job> => {
    await own(id, client)
    return answer(await deps.deliver(id, { cause }))
  }
  return {
    cancel: (id, client, by, reason) => ask(id, client, { type: 'cancel', by, reason }),
    approve: (id, client, decision) => ask(id, client, { type: 'approval', ...decision }),
    pause: (id, client, by) => ask(id, client, { type: 'pause', by }),
    resume: (id, client, by) => ask(id, client, { type: 'resume', by }),
    update: (id, client, changes, by = client ?? 'operator') => ask(id, client, { type: 'update', by, changes }),
    signal: async (id, client, { id: signalId = deps.newId(), name, data }) => {
      const job = await own(id, client)
      const blueprint = blueprints.get(job.blueprint, job.version)
      const checked = blueprint ? eventData(blueprint, name, data) : data
      const receipt = await deps.deliver(id, { cause: { type: 'signal', id: signalId, name, data: checked } })
      // The event may have been what ended the job: whoever lost the answer and asks again is told the same as then.
      const had = receipt.job?.signalIds.includes(signalId)
      return answer(had ? { ...receipt, verdict: 'repeated' } : receipt)
    },
    fork: async (id, client, from) =>
      forkJob(
        { blueprints, newId: deps.newId, events: deps.store.events, begin: deps.begin },
        await own(id, client),
        from,
      ),
    migrate: async (id, client, { version, state = null, by }) => {
      const job = await own(id, client)
      const blueprint = blueprints.get(job.blueprint, version)
      if (!blueprint)
        throw new TuttiError('BLUEPRINT_NOT_FOUND', `Blueprint "${job.blueprint}" v${version} is not loaded here`, {
          path: 'body.version',
        })
      const states = [...blueprint.states, ...blueprint.ends].map(({ name }) => name)
      return ask(id, client, { type: 'migrate', by, version, state, states })
    },
    remove: async (id, client) => {
      const job = await own(id, client)
      const [removed] = await deps.store.removeJobs([id])
      if (removed !== undefined) return
      if (job.finishedAt === null) throw new TuttiError('JOB_RUNNING', 'The job has not ended yet')
      throw new TuttiError('JOB_NOT_FOUND', 'Job not found')
    },
  }
}

/** The event's data as the job gets them, defaults filled in. */
const eventData = (blueprint: LoadedBlueprint, name: string, data: Json): Json => {
  const checked = checkEvent(blueprint, name, data)
  if ('value' in checked) return checked.value
  const path = Object.hasOwn(blueprint.events, name) ? ['body', 'data', ...checked.path].join('.') : 'body.name'
  throw new TuttiError('INVALID_BODY', `The event "${name}" was refused: ${checked.fault} at ${path}`, { path })
}

const answer = ({ verdict, job }: Receipt): Job => {
  if (!job) throw new TuttiError('JOB_NOT_FOUND', 'Job not found')
  switch (verdict) {
    case 'applied':
    // It had its effect before, and the asker is told the same as then.
    case 'repeated':
      return job
    case 'terminal':
      throw new TuttiError('JOB_TERMINAL', `The job has ended as ${job.status}`)
    case 'ending':
      throw new TuttiError(
        'JOB_TERMINAL',
        `The job is about to end as ${job.ending?.status}: what it did is being undone`,
      )
    case 'invalid_decision': {
      const known = job.waiting?.kind === 'approval' ? Object.keys(job.waiting.on) : []
      const decisions = known.filter((each) => each !== 'timeout').join(', ')
      throw new TuttiError('INVALID_DECISION', `Invalid decision for this job; it takes ${decisions}`, {
        path: 'body.decision',
      })
    }
    case 'too_many_signals':
      throw new TuttiError('TOO_MANY_SIGNALS', `The job keeps ${job.signals.length} events already`)
    case 'unknown_state':
      throw new TuttiError('INVALID_BODY', 'The version lacks a state that the job is in or can come to from there', {
        path: 'body.state',
      })
    case 'not_waiting':
      throw new TuttiError('JOB_NOT_WAITING', 'Job is not in a state that can be approved')
    default:
      throw new TuttiError('JOB_NOT_FOUND', 'Job not found')
  }
}
