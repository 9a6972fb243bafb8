/** What is going on: numbers, what the fleet can do, what was set aside, what is left of a quota. */
import { dashboard, jobView as jobViewSchema, quotaView, skillCatalog } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { clientOf } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { monthEnd } from '../http/month.ts'
import { quotaOf } from '../http/quota.ts'
import { catalogOf } from '../views/catalog-view.ts'
import { jobView } from '../views/job-view.ts'

/** Of the newest: who has more has no list to read but a cause to find. */
const mostQuarantined = 500

export const overviewRoutes = (deps: RouteDeps): FastifyPluginAsyncZod => {
  const { engine, store, settings, instant } = deps
  return async (app) => {
    app.get(
      '/dashboard',
      {
        schema: {
          tags: ['overview'],
          operationId: 'readDashboard',
          summary: 'Workers, and your jobs by status',
          response: { 200: dashboard },
        },
      },
      async (request) => {
        const { id, role } = clientOf(request)
        const [workers, stats] = await Promise.all([engine.workers(), store.stats(role === 'client' ? id : null)])
        const queued = stats.queues.reduce((sum, { waiting }) => sum + waiting, 0)
        return { workers: { total: workers.length }, jobs: { queued, ...stats.jobs } }
      },
    )

    app.get(
      '/workers/catalog',
      {
        schema: {
          tags: ['workers'],
          operationId: 'readCatalog',
          summary: 'What the fleet can do, by skill',
          response: { 200: skillCatalog },
        },
      },
      async () => catalogOf(await engine.workers()),
    )

    app.get(
      '/jobs/quarantined',
      {
        schema: {
          tags: ['jobs'],
          operationId: 'listQuarantined',
          summary: 'Your jobs that were set aside',
          description: 'Of an operator: everybody’s. The newest 500.',
          response: { 200: jobViewSchema.array() },
        },
      },
      async (request) => {
        const { id, role } = clientOf(request)
        const { jobs } = await engine.jobs({
          client: role === 'client' ? id : null,
          statuses: ['quarantined'],
          limit: mostQuarantined,
        })
        return jobs.map((job) => jobView(job, instant))
      },
    )

    app.get(
      '/quota',
      {
        schema: {
          tags: ['overview'],
          operationId: 'readQuota',
          summary: 'What is left of your month',
          description: 'Only created jobs count; reading is free.',
          response: { 200: quotaView },
        },
      },
      async (request) => {
        const client = clientOf(request)
        const quota = quotaOf(client, deps)
        const resets_at = instant(monthEnd(store.now(), settings.timeZone))
        if (!quota) return { plan: client.plan, monthly_attempts: null, used: null, remaining: null, resets_at }
        const { key, capacity, until } = quota
        const [drawn] = await store.draw([{ key, want: 0, budget: { kind: 'window', capacity, until } }])
        const remaining = Math.max(drawn?.left ?? 0, 0)
        return { plan: client.plan, monthly_attempts: capacity, used: capacity - remaining, remaining, resets_at }
      },
    )
  }
}
