/** What the engine is told. */
import { dirname } from 'node:path'
import { createMemoryStore } from '@tutti/stores'
import { expect } from 'vitest'
import { checkedErrand, eager, errand, meeting, nested, overflowing, round, telling } from '../blueprints.ts'
import { answer, create, ending, fail, outcome, register, take } from '../jobs.ts'
import { file, type Server, serve, until } from '../server.ts'
import type { Effects } from './effects.ts'

export const engine: Effects = {
  BLUEPRINTS_DIR: async () => {
    const module = `import { blueprint } from ${JSON.stringify(import.meta.resolve('@tutti/engine'))}
export default blueprint({ name: 'found' }).state('a', { start: true, to: ['b'] }, ({ goTo }) => goTo('b')).end('b')`
    const folder = dirname(file('found.ts', module))
    expect((await create(await serve({ BLUEPRINTS_DIR: folder }), 'found')).status).toBe(202)
    expect((await create(await serve({}), 'found')).status).toBe(404)
  },

  WORKER_TIMEOUT_SECONDS: async () => {
    const server = await serve({ WORKER_TIMEOUT_SECONDS: '0.2', JOB_MAX_RETRIES: '0' }, { blueprints: [errand] })
    const job = await create(server, 'errand')
    await take(server)
    const ended = await ending(server, job.body.job_id)
    expect(ended.status).not.toBe('finished')
  },

  WORKER_POLL_TIMEOUT_SECONDS: async () => {
    const server = await serve({ WORKER_POLL_TIMEOUT_SECONDS: '0.05' })
    await register(server)
    // Left at half a minute, this test would not end in time.
    expect((await server.get('/_worker/workers/hand/tasks/next')).status).toBe(204)
  },

  WORKER_HEALTH_CHECK_INTERVAL_SECONDS: async () => {
    const server = await serve({ WORKER_HEALTH_CHECK_INTERVAL_SECONDS: '0.1' })
    await register(server)
    await until(async () => !JSON.stringify((await server.get('/api/v1/workers')).body).includes('hand'))
    const patient = await serve({})
    await register(patient)
    expect(JSON.stringify((await patient.get('/api/v1/workers')).body)).toContain('hand')
  },

  JOB_MAX_RETRIES: async () => {
    for (const retries of [0, 2]) {
      const server = await serve({ JOB_MAX_RETRIES: String(retries) }, { blueprints: [eager] })
      const { job_id } = (await create(server, 'eager')).body
      for (let attempt = 0; attempt <= retries; attempt += 1) {
        expect((await server.get(`/api/v1/jobs/${job_id}`)).body.status).not.toBe('quarantined')
        await fail(server)
      }
      expect((await server.get(`/api/v1/jobs/${job_id}`)).body.status).toBe('quarantined')
    }
  },

  WATCHER_INTERVAL_SECONDS: async () => {
    const looks = async (env: Record<string, string>, enough: number): Promise<number> => {
      const store = createMemoryStore()
      let count = 0
      const counted = {
        ...store,
        leaseTimers: (request: Parameters<typeof store.leaseTimers>[0]) => {
          count += 1
          return store.leaseTimers(request)
        },
      }
      const server = await serve(env, { store: counted })
      if (enough > 0) await until(async () => count >= enough)
      await server.stop()
      return count
    }
    const few = await looks({}, 0)
    expect(await looks({ WATCHER_INTERVAL_SECONDS: '0.02' }, few + 10)).toBeGreaterThan(few)
  },

  EXECUTOR_MAX_CONCURRENT_JOBS: async () => {
    const alone = meeting(2)
    const server = await serve({ EXECUTOR_MAX_CONCURRENT_JOBS: '1' }, { blueprints: [alone.blueprint] })
    // Each is answered when its handler has had its chance to begin; two that had begun would have met.
    const created = await Promise.all([create(server, 'meeting'), create(server, 'meeting'), create(server, 'meeting')])
    alone.free()
    for (const { body } of created) expect((await ending(server, body.job_id)).status).toBe('finished')
    expect(alone.most()).toBe(1)

    // Three wait for one another: fewer at a time would never get through.
    const all = meeting(3)
    const wide = await serve({ EXECUTOR_MAX_CONCURRENT_JOBS: '3' }, { blueprints: [all.blueprint] })
    const met = await Promise.all([create(wide, 'meeting'), create(wide, 'meeting'), create(wide, 'meeting')])
    for (const { body } of met) expect((await ending(wide, body.job_id)).status).toBe('finished')
    expect(all.most()).toBe(3)
  },

  MAX_TRANSITIONS_PER_JOB: async () => {
    expect(await outcome({ MAX_TRANSITIONS_PER_JOB: '5' }, round(20))).not.toBe('finished')
    expect(await outcome({}, round(20))).toBe('finished')
  },

  MAX_JOB_DEPTH: async () => {
    expect(await outcome({ MAX_JOB_DEPTH: '2', JOB_MAX_RETRIES: '0' }, nested(4))).not.toBe('finished')
    expect(await outcome({}, nested(4))).toBe('finished')
  },

  SKILL_RATE_LIMITS: async () => {
    const server = await serve(
      { SKILL_RATE_LIMITS: 'run=1/1h', WORKER_POLL_TIMEOUT_SECONDS: '0.05' },
      { blueprints: [errand] },
    )
    await create(server, 'errand')
    await create(server, 'errand')
    await take(server)
    expect((await server.get('/_worker/workers/hand/tasks/next')).status).toBe(204)
  },

  STRICT_EVENT_VALIDATION: async () => {
    const schema = { type: 'object', properties: { page: { type: 'integer' } }, required: ['page'] }
    const skills = [{ name: 'run', events_schema: { page_done: schema } }]
    const tell = async (env: Record<string, string>, payload: object) => {
      const server = await serve(env, { blueprints: [telling] })
      const { job_id } = (await create(server, 'telling')).body
      const { task_id } = await take(server, { supported_skills: skills })
      const event = { event_type: 'page_done', payload, target_job_id: job_id, target_task_id: task_id }
      const { status, body } = await server.post('/_worker/events', { worker_id: 'hand', ...event })
      const job = (await server.get(`/api/v1/jobs/${job_id}`)).body
      return { status, path: body.path, state: job.current_state }
    }
    expect(await tell({}, { page: 'one' })).toEqual({ status: 400, path: 'body.payload.page', state: 'begin' })
    expect(await tell({}, { page: 1 })).toMatchObject({ status: 200, state: 'told' })
    const lenient = { STRICT_EVENT_VALIDATION: 'false' }
    expect(await tell(lenient, { page: 'one' })).toMatchObject({ status: 200, state: 'told' })
  },

  REPUTATION_PENALTY_TASK_FAILURE: async () => {
    const after = async (env: Record<string, string>): Promise<number> => {
      const server = await serve({ JOB_MAX_RETRIES: '0', ...env }, { blueprints: [errand] })
      await create(server, 'errand')
      await fail(server)
      return reputation(server)
    }
    expect([await after({ REPUTATION_PENALTY_TASK_FAILURE: '0.5' }), await after({})]).toEqual([0.5, 0.95])
  },

  REPUTATION_REWARD_SUCCESS: async () => {
    const env = { JOB_MAX_RETRIES: '0', REPUTATION_PENALTY_TASK_FAILURE: '0.5', REPUTATION_REWARD_SUCCESS: '0.25' }
    const server = await serve(env, { blueprints: [errand] })
    await create(server, 'errand')
    await fail(server)
    await create(server, 'errand')
    await answer(server, { status: 'success' })
    expect(await reputation(server)).toBe(0.75)
  },

  REPUTATION_PENALTY_CONTRACT_VIOLATION: async () => {
    const after = async (env: Record<string, string>): Promise<number> => {
      const server = await serve(env, { blueprints: [checkedErrand] })
      await create(server, 'checked-errand')
      // It says that it is done, and brings what nobody asked for.
      await answer(server, { status: 'success', data: { pages: 'many' } })
      return reputation(server)
    }
    expect([await after({ REPUTATION_PENALTY_CONTRACT_VIOLATION: '0.75' }), await after({})]).toEqual([0.25, 0.8])
  },

  REPUTATION_MIN_THRESHOLD: async () => {
    const givenTo = async (env: Record<string, string>): Promise<number> => {
      const server = await serve(
        { JOB_MAX_RETRIES: '0', WORKER_POLL_TIMEOUT_SECONDS: '0.05', REPUTATION_PENALTY_TASK_FAILURE: '0.5', ...env },
        { blueprints: [errand] },
      )
      await create(server, 'errand')
      await fail(server)
      await register(server, undefined, { worker_id: 'better' })
      await create(server, 'errand')
      return (await server.get('/_worker/workers/hand/tasks/next')).status
    }
    // A worker at 0.5, while there is a better one.
    expect([await givenTo({ REPUTATION_MIN_THRESHOLD: '0.6' }), await givenTo({})]).toEqual([204, 200])
  },

  DISPATCHER_SOFT_LIMIT: async () => {
    const secondGoesTo = async (env: Record<string, string>): Promise<string> => {
      const server = await serve(env, { blueprints: [overflowing] })
      await register(server, undefined, { worker_id: 'cheap', ...priced(1) })
      await create(server, 'overflowing')
      expect((await server.get('/_worker/workers/cheap/tasks/next')).status).toBe(200)
      await register(server, undefined, { worker_id: 'dear', ...priced(9) })
      // Both wait before there is anything to take.
      const polls = ['cheap', 'dear'].map(async (worker) => {
        const { status } = await server.get(`/_worker/workers/${worker}/tasks/next?timeout=1`)
        return status === 200 ? [worker] : []
      })
      await until(async () => (await server.get('/_public/metrics')).status === 200)
      await create(server, 'overflowing')
      return (await Promise.all(polls)).flat().join()
    }
    expect([await secondGoesTo({ DISPATCHER_SOFT_LIMIT: '1' }), await secondGoesTo({})]).toEqual(['dear', 'cheap'])
  },
}

const reputation = async (server: Server): Promise<number> => {
  const { body } = await server.get('/api/v1/workers')
  return body.find(({ worker_id }: { worker_id: string }) => worker_id === 'hand').reputation
}

/** What a worker takes for the skill. */
const priced = (price: number) => ({ capabilities: { cost_per_skill: { run: price } } })
