import type { Engine, LeasedTask } from '@tutti/engine'
import type { FastifyReply } from 'fastify'

/**
 * Guards tasks on their last step, from the engine to the worker's connection: when the answer can't have reached the
 * worker, they are given back untried. Without it nobody would work on them until their leases run out, minutes later.
 * An answer that was handed to the network whole is taken as received; should it get lost there, the lease still ends.
 */
export const handOver = (
  engine: Pick<Engine, 'release'>,
  reply: FastifyReply,
  leases: LeasedTask[],
  onError: (error: unknown) => void,
): void => {
  if (leases.length === 0) return
  const giveBack = (): void => {
    engine.release(leases).catch(onError)
  }
  const { raw } = reply
  if (raw.destroyed) giveBack()
  else
    raw.once('close', () => {
      if (!raw.writableFinished) giveBack()
    })
}
