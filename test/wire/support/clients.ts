/** The clients of the older tests, and one that operates. Below `/api`, as older clients know it. */
import { openTarget, type Send, sender } from './server.ts'
import type { Target } from './target.ts'

export interface ClientWire extends Target {
  /** As it is, from the root. */
  send: Send
  /** In vip's name, with the header of the oldest clients. */
  vip: Send
  regular: Send
  operator: Send
  /** Creates a job of vip and answers its id. */
  job(blueprint: string, input?: object): Promise<string>
  /** Reads a job of vip until it has ended. */
  ended(id: string): ReturnType<typeof JSON.parse>
}

export const openClients = async (): Promise<ClientWire> => clientsOf(await openTarget())

export const clientsOf = (target: Target): ClientWire => {
  const as = (token: string) => sender(target.url, { 'x-avtomatika-token': token })
  const vip = as(target.clientToken)
  return {
    ...target,
    send: sender(target.url),
    vip,
    regular: as(target.otherToken),
    operator: as(target.operatorToken),
    job: async (blueprint, input = {}) => {
      const { body } = await vip('POST', '/api/v1/jobs', { blueprint, input })
      return body.job_id
    },
    ended: async (id) => {
      for (;;) {
        const { body } = await vip('GET', `/api/jobs/${id}`)
        if (body.finished_at !== null) return body
      }
    },
  }
}
