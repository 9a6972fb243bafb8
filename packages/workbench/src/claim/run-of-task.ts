/**
 * Finds the run that a task stands for; what a blueprint's own `agent(…)` asked for gets session and run here. Where its agent may ask, it is
 * a job of `agent_run`, whose id the run has: then each of its turns is another task of the same job.
 */
import { AGENT_RUN, type agentRunParams, type TaskConfig } from '@tutti/contracts'
import type { Task } from '@tutti/engine'
import type { z } from 'zod'
import { choose } from '../capabilities/choose.ts'
import { insertRun } from '../create/insert-run.ts'
import { insertSession } from '../create/insert-session.ts'
import { type Queryable, violates } from '../database/database.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { commitChange } from '../session/change-session.ts'
import type { RunRow } from '../session/rows.ts'
import { findRun } from '../session/runs.ts'
import { storable } from '../session/storable.ts'
import { holdUploads } from '../uploads/hold-uploads.ts'

type Params = z.output<typeof agentRunParams>

/** Undefined: the task names a run or session that is not its own. @throws TuttiError CAPABILITY_NOT_FOUND and INVALID_BODY for what its owner can't use */
export const runOfTask = async (deps: WorkbenchDeps, task: Task, params: Params): Promise<RunRow | undefined> => {
  if (params.run_id !== undefined) {
    const run = await findRun(deps.database, params.run_id)
    // Anybody who may create jobs can write any id into the params; only the run's own job may claim it.
    return run?.job_id === task.jobId ? run : undefined
  }
  if (params.session_id !== undefined) return undefined
  const asked = params.attended ? await attendedJob(deps, task) : { runId: null, parentId: null }
  if (!asked) return undefined
  return (await known(deps.database, task, asked.runId)) ?? (await writeRun(deps, task, params, asked))
}

interface Asked {
  /** Null: the run has an id of its own, and is known by its task. */
  runId: string | null
  parentId: string | null
}

/** Undefined: the task would have to be answered before a person is, and what comes after it would wait. */
const attendedJob = async ({ engine }: WorkbenchDeps, task: Task): Promise<Asked | undefined> => {
  const job = await engine.job(task.jobId, null)
  return job.blueprint === AGENT_RUN.blueprint ? { runId: job.id, parentId: job.parentId } : undefined
}

const known = async (database: Queryable, task: Task, runId: string | null): Promise<RunRow | undefined> => {
  if (runId !== null) return findRun(database, runId)
  const [run] = await database.query<RunRow>('select * from workbench.runs where task_id = $1', [task.id])
  return run
}

const writeRun = async (
  deps: WorkbenchDeps,
  task: Task,
  params: Params,
  { runId, parentId }: Asked,
): Promise<RunRow | undefined> => {
  const prompt = storable(params.prompt)
  const sent = storable(JSON.parse(JSON.stringify(params.config))) as TaskConfig
  const userId = deps.ownerOf(task.client)
  try {
    return await deps.database.transaction(async (tx) => {
      const config = await choose(tx, userId, { base: {}, sent, installed: false, path: 'params.config' })
      await holdUploads(tx, userId, config.input_files, 'params.config.input_files')
      const { workspace: _, ...snapshot } = config
      const session = await insertSession(tx, { id: deps.newId(), userId, prompt })
      return commitChange(tx, session, async (change) => {
        change.patch({ config_snapshot: JSON.parse(JSON.stringify(snapshot)) })
        return insertRun(change, {
          id: runId ?? deps.newId(),
          jobId: task.jobId,
          askedBy: parentId,
          taskId: task.id,
          clientRequestId: null,
          prompt,
          permissionMode: params.permission_mode,
          schedule: { mode: params.schedule_mode, at: null },
          config,
          attended: params.attended,
        })
      })
    })
  } catch (error) {
    // An earlier holder of the task, late, wrote the run at the same moment.
    if (violates(error, 'runs_task_id_key') || violates(error, 'runs_pkey')) return known(deps.database, task, runId)
    throw error
  }
}
