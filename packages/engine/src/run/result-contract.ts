/** What a worker answers, held against the schema that the job's blueprint declares for the skill. */
import { checkResult, faultAt } from '../blueprint/input.ts'
import type { BlueprintRegistry } from '../blueprint/registry.ts'
import type { Cause } from '../job/cause.ts'
import type { Job } from '../job/job.ts'
import { findOpen } from '../transition/result.ts'

/** A worker's fault, and a grave one: it gives what nobody asked for. */
export const contractViolation = 'CONTRACT_VIOLATION_ERROR'

/** A success that breaks the contract is a failure, the worker's; one that keeps it has the data that the schema makes of them. */
export const keepContract =
  (blueprints: BlueprintRegistry) =>
  (job: Job, cause: Cause): Cause => {
    if (cause.type !== 'task_result' || cause.status !== 'success') return cause
    const skill = findOpen(job.waiting, cause.taskId)?.open.skill
    const blueprint = blueprints.get(job.blueprint, job.version)
    if (skill === undefined || !blueprint) return cause
    const checked = checkResult(blueprint, skill, cause.data)
    if ('value' in checked) return { ...cause, data: checked.value }
    const message = `the result of "${skill}" does not fit the schema that "${job.blueprint}" declares: ${faultAt(checked, 'data')}`
    return { ...cause, status: 'failure', data: null, error: { code: contractViolation, message } }
  }
