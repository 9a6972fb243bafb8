import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { workerId } from '@tutti/contracts'

/** The worker id that a verified client certificate was made out to (its common name); undefined without such a one. */
export const certificateName = (socket: Socket): string | undefined => {
  // "authorized" means that it was signed by the CA that the server was given. Anybody can sign one for themselves.
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const { subject } = socket.getPeerCertificate()
  const name = workerId.safeParse(subject?.CN)
  return name.success ? name.data : undefined
}
