/** Finds the run that a task stands for; a task that a blueprint's own `agent(…)` made gets session and run here. */
import type { agentRunParams, TaskConfig } from '@tutti/contracts'
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

type Params = z.output<typeof agentRunParams>

/** Undefined: the task names a run or session that is not its own. @throws TuttiError CAPABILITY_NOT_FOUND for what its owner can't use */
export const runOfTask = async (deps: WorkbenchDeps, task: Task, params: Params): Promise<RunRow | undefined> => {
  if (params.run_id !== undefined) {
    const run = await findRun(deps.database, params.run_id)
    // Anybody who may create jobs can write any id into the params; only the run's own job may claim it.
    return run?.job_id === task.jobId ? run : undefined
  }
  if (params.session_id !== undefined) return undefined
  return (await byTask(deps.database, task.id)) ?? (await writeRun(deps, task, params))
}

const byTask = async (database: Queryable, taskId: string): Promise<RunRow | undefined> => {
  const [run] = await database.query<RunRow>('select * from workbench.runs where task_id = $1', [taskId])
  return run
}

const writeRun = async (deps: WorkbenchDeps, task: Task, params: Params): Promise<RunRow | undefined> => {
  const prompt = storable(params.prompt)
  const sent = storable(JSON.parse(JSON.stringify(params.config))) as TaskConfig
  const userId = deps.ownerOf(task.client)
  try {
    return await deps.database.transaction(async (tx) => {
      const config = await choose(tx, userId, { base: {}, sent, installed: false, path: 'params.config' })
      const { workspace: _, ...snapshot } = config
      const session = await insertSession(tx, { id: deps.newId(), userId, prompt })
      return commitChange(tx, session, async (change) => {
        change.patch({ config_snapshot: JSON.parse(JSON.stringify(snapshot)) })
        return insertRun(change, {
          id: deps.newId(),
          jobId: task.jobId,
          taskId: task.id,
          clientRequestId: null,
          prompt,
          permissionMode: params.permission_mode,
          schedule: { mode: params.schedule_mode, at: null },
          config,
          attended: false,
        })
      })
    })
  } catch (error) {
    // An earlier holder of the task, late, wrote the run at the same moment.
    if (violates(error, 'runs_task_id_key')) return byTask(deps.database, task.id)
    throw error
  }
}
