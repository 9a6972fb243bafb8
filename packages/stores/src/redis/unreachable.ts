/** Tells a server that is away, or can't take anything now, from a fault of ours: the one passes, and callers should try again. */
import { TuttiError } from '@tutti/contracts'
import {
  ClientClosedError,
  ClientOfflineError,
  ConnectionTimeoutError,
  DisconnectsClientError,
  ErrorReply,
  MaxCommandRedirectionsError,
  ReconnectStrategyError,
  RootNodesUnavailableError,
  SocketClosedUnexpectedlyError,
  SocketTimeoutError,
} from 'redis'

const ofTheClient = [
  ClientClosedError,
  ClientOfflineError,
  ConnectionTimeoutError,
  DisconnectsClientError,
  MaxCommandRedirectionsError,
  ReconnectStrategyError,
  RootNodesUnavailableError,
  SocketClosedUnexpectedlyError,
  SocketTimeoutError,
]

/** Starting, failing over, held up by a script, without a disk to write to, out of memory. */
const ofTheServer = /^(LOADING|MASTERDOWN|READONLY|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS|OOM) /

const ofTheNetwork = /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN)/

const isUnreachable = (error: unknown): boolean => {
  if (error instanceof ErrorReply) return ofTheServer.test(error.message)
  if (ofTheClient.some((kind) => error instanceof kind)) return true
  const { code, syscall } = error as { code?: unknown; syscall?: unknown }
  return syscall === 'connect' || (typeof code === 'string' && ofTheNetwork.test(code))
}

/**
 * The operation, failing with STORE_UNAVAILABLE when the server can't be reached.
 * @throws TuttiError STORE_UNAVAILABLE, or what the operation threw
 */
export const reaching =
  <A extends unknown[], R>(operation: (...args: A) => Promise<R>) =>
  async (...args: A): Promise<R> => {
    try {
      return await operation(...args)
    } catch (error) {
      throw isUnreachable(error)
        ? new TuttiError('STORE_UNAVAILABLE', 'The store can’t be reached', { cause: error })
        : error
    }
  }
