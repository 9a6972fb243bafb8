/** Many at once: exactly one wins, nobody waits for ever. */
import type { Store } from '@tutti/engine'
import { expect, test } from 'vitest'
import { aChange, accept, aJob, anEvent, type Current, fenceOf, jobWith, lease, next } from './subject.ts'

export const contentionSuite = (current: Current): void => {
  const both = async (): Promise<[Store, Store]> => [current().store, await current().second()]

  test('fifty writers of one revision: exactly one wins, every time', async () => {
    const clients = await both()
    let job = aJob()
    await accept(clients[0], aChange(job))
    for (let round = 1; round <= 4; round += 1) {
      const writers = Array.from({ length: 50 }, (_, writer) =>
        aChange(next(job, { data: { writer }, seq: round }), { events: [anEvent(job, round, { data: { writer } })] }),
      )
      const outcomes = await Promise.all(writers.map((change, at) => clients[at % 2]?.commit([change])))
      const winners = outcomes.flatMap((outcome, at) => (outcome?.[0]?.accepted ? [at] : []))
      expect(winners).toHaveLength(1)
      expect(outcomes.filter((outcome) => outcome?.[0]?.accepted === false)).toHaveLength(49)
      const [now] = await clients[1].job([job.id])
      expect(now?.data).toEqual({ writer: winners[0] })
      const log = await clients[0].events(job.id, 0, 100)
      expect(log.map((event) => event.seq)).toEqual(Array.from({ length: round }, (_, at) => at + 1))
      expect(log.at(-1)?.data).toEqual({ writer: winners[0] })
      job = now ?? job
    }
  })

  test('two clients create the same id at once: one makes it, the other learns that it exists', async () => {
    const clients = await both()
    for (let round = 0; round < 10; round += 1) {
      const job = aJob({ seq: 1 })
      const outcomes = await Promise.all(
        [0, 1, 0, 1].map(async (client, at) => {
          const made = { ...job, data: { at } }
          return (
            await clients[client]?.commit([
              aChange(aJob()),
              aChange(made, { events: [anEvent(job, 1, { data: { at } })] }),
            ])
          )?.[1]
        }),
      )
      const winner = outcomes.findIndex((outcome) => outcome?.accepted)
      expect(outcomes).toEqual(
        outcomes.map((_, at) => (at === winner ? { accepted: true } : { accepted: false, reason: 'exists' })),
      )
      expect((await clients[0].job([job.id]))[0]?.data).toEqual({ at: winner })
      expect((await clients[0].events(job.id, 0, 10)).map((event) => event.data)).toEqual([{ at: winner }])
    }
  })

  test('batches of the same jobs in opposite orders do not wait for each other for ever', async () => {
    const clients = await both()
    let jobs = Array.from({ length: 40 }, () => aJob())
    await accept(clients[0], ...jobs.map((job) => aChange(job)))
    for (let round = 0; round < 10; round += 1) {
      const batch = jobs.map((job) => aChange(next(job)))
      const [forwards, backwards] = await Promise.all([
        clients[0].commit(batch),
        clients[1].commit([...batch].reverse()),
      ])
      const wins = forwards.map((outcome, at) => [outcome.accepted, [...backwards].reverse()[at]?.accepted])
      expect(wins.every(([a, b]) => a !== b)).toBe(true)
      jobs = jobs.map((job) => next(job))
    }
  })

  test('heartbeats while a batch of results arrives: neither waits for the other for ever', async () => {
    const clients = await both()
    for (let round = 0; round < 6; round += 1) {
      const jobs = Array.from({ length: 60 }, () => aJob())
      const made = await Promise.all(
        jobs.map((job) => jobWith(clients[0], [{ id: crypto.randomUUID() }], { id: job.id })),
      )
      const leases = await lease(clients[0], { max: 100 })
      const byJob = new Map(leases.map((leased) => [leased.task.jobId, leased]))
      const results = made.map((job) => {
        const leased = byJob.get(job.id)
        if (!leased) throw new Error('every job had a task')
        return aChange(next(job, { status: 'finished' }), { fences: [fenceOf(leased)], close: [leased.task.id] })
      })
      const beats = Array.from({ length: 8 }, () => clients[1].renew({ worker: 'worker-1', leaseMs: 60_000 }))
      const [outcomes] = await Promise.all([clients[0].commit(results), ...beats, clients[1].expireLeases('worker-1')])
      expect(outcomes.every((outcome) => outcome.accepted)).toBe(true)
    }
  })

  test('cancelling fan-outs while their worker gives tasks back: neither waits for the other for ever', async () => {
    const clients = await both()
    for (let round = 0; round < 6; round += 1) {
      const job = await jobWith(
        clients[0],
        Array.from({ length: 60 }, () => ({})),
      )
      const leases = await lease(clients[0], { max: 60 })
      const [outcomes] = await Promise.all([
        clients[0].commit([aChange(next(job, { status: 'cancelled' }))]),
        clients[1].release([...leases].reverse().map(fenceOf)),
        clients[1].renew({ worker: 'worker-1', leaseMs: 1_000 }),
      ])
      expect(outcomes).toEqual([{ accepted: true }])
      expect(await lease(clients[0], { max: 60 })).toEqual([])
    }
  })
}
