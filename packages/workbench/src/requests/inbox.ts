/** All that waits for a decision of this user: what agents ask, and the approvals of jobs. */
import type { InboxItem } from '@tutti/contracts'
import type { Job } from '@tutti/engine'
import type { WorkbenchDeps } from '../deps.ts'
import { listRequests } from './requests.ts'

/** Jobs that are looked at. More would wait for nobody's decision. */
const mostJobs = 1_000

/** Oldest first. Approvals are of the jobs in this engine's store, as far as the job's client is this user's. */
export const inbox = async (deps: WorkbenchDeps, userId: string): Promise<InboxItem[]> => {
  const [requests, approvals] = await Promise.all([asked(deps, userId), approvalsOf(deps, userId)])
  return [...requests, ...approvals].sort((a, b) => Date.parse(a.created_at) - Date.parse(b.created_at))
}

const asked = async ({ database }: WorkbenchDeps, userId: string): Promise<InboxItem[]> => {
  const requests = await listRequests(database, userId, undefined)
  const titles = await database.query<{ id: string; title: string | null }>(
    'select id, title from workbench.sessions where id = any($1::uuid[])',
    [[...new Set(requests.map(({ session_id }) => session_id))]],
  )
  const titleOf = new Map(titles.map(({ id, title }) => [id, title]))
  return requests.map((request) => ({
    ...{ kind: 'request', request, created_at: request.created_at },
    session_title: titleOf.get(request.session_id) ?? null,
  }))
}

const approvalsOf = async ({ engine, ownerOf }: WorkbenchDeps, userId: string): Promise<InboxItem[]> => {
  const { jobs } = await engine.jobs({ client: null, statuses: ['waiting_for_human'], limit: mostJobs })
  return jobs.filter(({ client }) => ownerOf(client) === userId).flatMap(approvalOf)
}

const approvalOf = ({ id, blueprint, waiting, updatedAt }: Job): InboxItem[] =>
  waiting?.kind === 'approval'
    ? [
        {
          ...{ kind: 'approval', job_id: id, blueprint, message: waiting.message, assignees: waiting.assignees },
          // The route of the clock is nothing that a person can choose.
          decisions: Object.keys(waiting.on).filter((decision) => decision !== 'timeout'),
          expires_at: waiting.expiresAt === null ? null : new Date(waiting.expiresAt).toISOString(),
          created_at: new Date(updatedAt).toISOString(),
        },
      ]
    : []
