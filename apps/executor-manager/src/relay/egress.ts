/**
 * The way out to the hosts that a run may reach: CONNECT to a name and a port of its list. Names are resolved here, outside, and
 * what they lead to is looked at before it is connected to: a name that an attacker owns must not open the host's own network.
 */
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type AllowedHost, allowedBy, guardedLookup } from '@tutti/network'
import type { Logger } from '@tutti/telemetry'
import { messageOf } from '../fault.ts'

export interface EgressOptions {
  /** Connections of one sandbox at a time. */
  egressConnections: number
  /** Bytes of one turn, both ways together. */
  egressBytes: number
  egressConnectMs: number
  /** A connection that is silent for longer is cut. */
  egressIdleMs: number
  log: Logger
}

export interface Egress {
  /** A CONNECT whose sender has shown its token; `hosts` undefined while no turn is being run. */
  connect(incoming: IncomingMessage, client: Duplex, head: Buffer, hosts: readonly AllowedHost[] | undefined): void
  /** Ends every connection: the turn is over. */
  clear(): void
}

export const createEgress = (options: EgressOptions): Egress => {
  const { log } = options
  const open = new Set<() => void>()
  let bytes = 0

  const tunnel = (client: Duplex, head: Buffer, upstream: Socket, host: string, port: number): void => {
    const began = performance.now()
    let [sent, received] = [0, 0]
    const count = (size: number): boolean => {
      bytes += size
      if (bytes <= options.egressBytes) return true
      log.warn({ host, port, limit: options.egressBytes }, 'a run has moved as many bytes as it may')
      for (const end of open) end()
      return false
    }
    client.on('data', (chunk: Buffer) => {
      sent += chunk.length
      count(chunk.length)
    })
    upstream.on('data', (chunk: Buffer) => {
      received += chunk.length
      count(chunk.length)
    })
    upstream.once('close', () => {
      const ms = Math.round(performance.now() - began)
      log.info({ host, port, sent, received, duration_ms: ms }, 'a connection out of a sandbox has ended')
    })
    client.write('HTTP/1.1 200 Connection established\r\n\r\n')
    if (head.length > 0) upstream.write(head)
    client.pipe(upstream)
    upstream.pipe(client)
  }

  return {
    connect: (incoming, client, head, hosts) => {
      client.on('error', () => client.destroy())
      const target = incoming.url ?? ''
      const allowed = hosts && allowedBy(hosts, target)
      if (allowed === undefined) {
        log.warn({ target: target.slice(0, 300) }, 'a connection out of a sandbox was refused')
        return refuse(client, 403, 'This run may not reach this host: it is not on its egress allow-list.')
      }
      if (open.size >= options.egressConnections) return refuse(client, 429, 'Too many connections at a time.')
      if (bytes > options.egressBytes) return refuse(client, 403, 'This run has moved as many bytes as it may.')
      const { host, port, literal } = allowed
      // An address that an operator has listed is meant, whatever it leads to; a name may change its mind.
      const upstream = connect({ host, port, ...(literal ? {} : { lookup: guardedLookup(false) }) })
      const end = (): void => {
        client.destroy()
        upstream.destroy()
      }
      open.add(end)
      const patience = setTimeout(() => upstream.destroy(new Error('no answer')), options.egressConnectMs)
      upstream.once('connect', () => {
        clearTimeout(patience)
        upstream.setTimeout(options.egressIdleMs, () => upstream.destroy())
        tunnel(client, head, upstream, host, port)
      })
      upstream.once('error', (error) => {
        log.warn({ host, port, reason: messageOf(error) }, 'a host could not be reached for a sandbox')
        if (upstream.bytesRead === 0 && upstream.bytesWritten === 0)
          refuse(client, 502, 'The host could not be reached.')
        else client.destroy()
      })
      upstream.once('close', () => {
        clearTimeout(patience)
        open.delete(end)
        if (!client.writableEnded) client.end()
      })
      client.once('close', () => upstream.destroy())
    },
    clear: () => {
      for (const end of open) end()
      bytes = 0
    },
  }
}

/** In words, for whoever reads the output of a tool that could not get out. */
const refuse = (client: Duplex, status: number, message: string): void => {
  const body = `${message}\n`
  client.end(
    `HTTP/1.1 ${status} Refused\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}
