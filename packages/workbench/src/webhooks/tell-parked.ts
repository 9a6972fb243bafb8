/**
 * Tells the webhook of a run's job that the agent waits: for a person, or for a provider. The delivery becomes a record of the engine's
 * outbox, signed, sent and tried again as all others. Its id follows from the parking, so that telling it again finds it told.
 */
import type { Json, JsonObject } from '@tutti/contracts'
import { TuttiError } from '@tutti/contracts'
import { type Job, webhookRecord } from '@tutti/engine'
import type { WorkbenchDeps } from '../deps.ts'
import { pendingOf, type RequestRow, requestView } from '../requests/requests.ts'
import type { RunRow } from '../session/rows.ts'

/** Of what a tool is to do. A file to be written may have megabytes; who wants them reads the request. */
const longestInput = 16_384

/** To be called before the engine hears of the parking: whoever finds that it has not, calls this again. */
export const tellParked = async (deps: WorkbenchDeps, run: RunRow): Promise<void> => {
  const { store } = deps.webhooks
  if (store === null || run.park === null || run.park.reason === 'turn') return
  const asked = run.park.reason === 'input' ? await pendingOf(deps.database, run.id) : []
  // It was answered meanwhile.
  if (run.park.reason === 'input' && asked.length === 0) return
  // What a blueprint's job has asked of an agent, that job's receiver is told.
  const job = await jobOf(deps, run.asked_by ?? run.job_id)
  if (job === null) return
  const { event, details, since } = asked.length > 0 ? asking(deps, run, asked) : delayed(run)
  const id = `${String(since).padStart(15, '0')}-${run.id}-parked-${run.parks}`
  const facts = { session_id: run.session_id, run_id: run.id, ...details }
  const record = webhookRecord(job, store.now(), event, facts, id)
  if (record !== null) await store.putRecords([record])
}

const asking = (deps: WorkbenchDeps, run: RunRow, asked: readonly RequestRow[]) => ({
  event: 'agent_asked',
  details: { requests: asked.map((row) => shown(deps, run, row)) },
  since: Math.min(...asked.map(({ created_at }) => created_at.getTime())),
})

const delayed = ({ park, started_at }: RunRow) => {
  const until = park?.until ?? null
  const details = { reason: 'rate_limit', until: until === null ? null : new Date(until).toISOString() }
  return { event: 'agent_delayed', details, since: started_at?.getTime() ?? until ?? 0 }
}

const shown = ({ webhooks }: WorkbenchDeps, run: RunRow, row: RequestRow): Json => {
  const view = requestView(row)
  const { id, kind, tool_name, tool_input, expires_at } = view
  const fits = JSON.stringify(tool_input).length <= longestInput
  const url = webhooks.linkTo(run.user_id, view)
  return { id, kind, tool_name, tool_input: fits ? (tool_input as JsonObject) : null, expires_at, url }
}

const jobOf = async ({ engine }: WorkbenchDeps, id: string): Promise<Job | null> => {
  try {
    return await engine.job(id, null)
  } catch (error) {
    if (error instanceof TuttiError && error.code === 'JOB_NOT_FOUND') return null
    throw error
  }
}
