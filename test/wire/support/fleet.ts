/** What most tests of the worker's side begin with. */
import { type Answer, openWire, type Wire } from './server.ts'

export const unique = (name: string): string => `${name}-${crypto.randomUUID().slice(0, 8)}`

export interface Fleet extends Wire {
  skill: string
  workerId: string
  /** A job whose one task has this test's skill. */
  job(blueprint?: string, input?: object): Promise<string>
  read(id: string): Promise<Answer['body']>
  next(query?: string, worker?: string): Promise<Answer>
  /** Waits for the next task, however long its back-off lasts. */
  task(): Promise<Answer['body']>
  answer(body: object): Promise<Answer>
}

/** A registered worker with a skill that nobody else has. */
export const openFleet = async (registration: object = {}): Promise<Fleet> => {
  const wire = await openWire()
  const skill = unique('skill')
  const workerId = unique('worker')
  await wire.worker('POST', '/workers/register', { worker_id: workerId, supported_skills: [skill], ...registration })
  const next: Fleet['next'] = (query = '', worker = workerId) =>
    wire.worker('GET', `/workers/${worker}/tasks/next${query}`)
  return {
    ...wire,
    skill,
    workerId,
    job: async (blueprint = 'wire_single', input = {}) => {
      const { body } = await wire.client('POST', '/jobs', { blueprint, input: { skill, ...input } })
      return body.job_id
    },
    read: async (id) => (await wire.client('GET', `/jobs/${id}`)).body,
    next,
    task: async () => {
      for (;;) {
        const { status, body } = await next()
        if (status !== 204) return body
      }
    },
    answer: (body) => wire.worker('POST', '/tasks/result', { worker_id: workerId, ...body }),
  }
}
