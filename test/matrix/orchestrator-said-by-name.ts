/** What no rule can know of an operation of the orchestrator: what it needs to succeed, and the exceptions, each with its reason. */

/** Open to everybody, and why. */
export const open: Record<string, string> = {
  'GET /_public/status': 'says that the process is alive, and nothing else',
  'GET /_public/health': 'the same of its store, where load balancers look for it',
  'POST /_worker/auth/token/refresh': 'the refresh token in the body is the authorisation',
}

/** What only an operator may do, and why. */
export const operatorsOnly: Record<string, string> = {
  'POST /api/v1/blueprints': 'all clients share them',
  'DELETE /api/v1/blueprints/{name}/versions/{version}': 'the same',
  'POST /api/v1/workers/{worker_id}/drain': 'workers work for everybody',
  'DELETE /api/v1/workers/{worker_id}': 'the same',
  'POST /api/v1/admin/reload-clients': 'says who is let in',
  'POST /api/v1/admin/reload-workers': 'the same',
  'POST /api/v1/admin/reload-schedules': 'makes jobs in everybody’s name',
}

/** The query that an operation needs beside what its schema says. */
export const queries: Record<string, string> = {
  // Else it has nothing to say until its next sign of life.
  'GET /api/v1/stream': 'since=start',
  'GET /api/v1/jobs/{id}/files/upload': 'filename=b.txt',
  'GET /_worker/workers/{worker_id}/tasks/next': 'timeout=0',
}

/** What is sent beside the least that the schema takes, so that it is a request that can succeed. */
export const bodies: Record<string, object> = {
  'POST /api/v1/jobs': { blueprint: 'questions' },
  'POST /api/v1/jobs/batch': { jobs: [{ blueprint: 'questions' }] },
  'POST /api/v1/jobs/{id}/approve': { decision: 'approved' },
  'POST /_public/webhooks/approval/{id}': { decision: 'approved' },
  'POST /api/v1/jobs/{id}/fork': { state: 'ask' },
  'POST /api/v1/blueprints': {
    ...{ format: 'tutti/v1', name: 'registered', version: 1, start: 'begin' },
    ...{ states: { begin: { go_to: 'done' } }, ends: { done: {} } },
  },
  'PUT /api/v1/schedules/{name}': { blueprint: 'questions', cron: '0 0 1 1 *' },
  'POST /_worker/workers/register': { supported_skills: ['hand-1'] },
  'POST /_worker/events': { event: 'progress_update', progress: 0.5 },
}

/** Where a worker is told more of what is not in its hands than that, and why. */
export const harmless: Record<string, string> = {
  'POST /_worker/tasks/result': 'whose answer no longer counts is told why; nothing of the job is',
  'POST /_worker/tasks/results': 'the same',
}
