/** The engine as a library over PostgreSQL: create, take and finish jobs of one task. */
import { blueprint, createEngine } from '@tutti/engine'
import { createPostgresStore } from '@tutti/stores'
import { type Figure, figure } from './measure.ts'
import { scratchDatabase } from './scratch.ts'

export const oneTask = blueprint({ name: 'one_task', endpoint: '/one-task' })
  .state('work', { start: true, to: ['done'] }, ({ dispatch }) =>
    dispatch('bench', { n: 1 }, { on: { success: 'done' } }),
  )
  .end('done')

export const embedded = (quick: boolean): Promise<Figure[]> =>
  scratchDatabase(async (connectionString) => {
    const store = await createPostgresStore({ connectionString })
    const engine = createEngine({ store, blueprints: [oneTask] })
    engine.start()
    const workers = ['a', 'b', 'c', 'd']
    for (const id of workers) await engine.register({ id, bootId: null, skills: ['bench'], info: {} })
    const jobs = quick ? 2_000 : 10_000
    const batch = 500
    const rounds = quick ? 2 : 5
    const created: number[] = []
    const finished: number[] = []
    for (let round = 0; round <= rounds; round += 1) {
      let before = performance.now()
      const creating: Promise<unknown>[] = []
      for (let n = 0; n < jobs; n += batch)
        creating.push(
          engine.create(Array.from({ length: batch }, () => ({ blueprint: 'one_task', input: {}, client: 'bench' }))),
        )
      await Promise.all(creating)
      const createSeconds = (performance.now() - before) / 1000
      before = performance.now()
      let done = 0
      const worker = async (id: string): Promise<void> => {
        for (;;) {
          const leases = await engine.take({ worker: id, skills: ['bench'], max: batch, waitMs: 0 })
          if (leases.length === 0) return
          const answers = await engine.results(
            leases.map((lease) => ({
              jobId: lease.task.jobId,
              taskId: lease.task.id,
              worker: id,
              token: lease.token,
              attempt: lease.task.attempt,
              status: 'success',
              data: null,
              error: null,
            })),
          )
          done += answers.filter((answer) => answer.status === 'accepted').length
        }
      }
      await Promise.all(workers.map(worker))
      if (done !== jobs) throw new Error(`${jobs} jobs were created and ${done} finished`)
      // The first round warms up and is not counted.
      if (round === 0) continue
      created.push(jobs / createSeconds)
      finished.push(jobs / ((performance.now() - before) / 1000))
    }
    await engine.stop()
    await store.close()
    return [figure('embedded: create', 'jobs/s', created), figure('embedded: take and finish', 'jobs/s', finished)]
  })
