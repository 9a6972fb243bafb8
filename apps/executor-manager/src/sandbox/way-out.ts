/** How a sandbox reaches its relay: over a socket that is mounted into it, or over TCP where it has a network. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Mount } from '@tutti/sandbox'
import type { Station } from '../deps.ts'
import { type Listen, onSocket } from '../relay/listen.ts'
import { makeSocketFolder } from './socket-folder.ts'

export interface WayOut {
  listen: Listen
  /** TUTTI_RELAY, as seen from inside. */
  address: string
  socketDir?: Mount
  /** Removes what was made for it, once the relay is closed. */
  remove(): Promise<void>
}

const inside = '/run/tutti'
const socketName = 'relay.sock'

export const makeWayOut = async (
  { callbacks, config, settings, socketRoot }: Pick<Station, 'callbacks' | 'config' | 'settings' | 'socketRoot'>,
  token: string,
): Promise<WayOut> => {
  if (callbacks !== undefined)
    return { listen: callbacks.listen(token), address: config.callbackBaseUrl, remove: async () => undefined }
  const folder = await makeSocketFolder(socketRoot)
  return {
    listen: onSocket(join(folder, socketName), settings.requestMs),
    address: `${inside}/${socketName}`,
    socketDir: { from: folder, to: inside },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}
