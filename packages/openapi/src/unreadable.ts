/** What is answered to bytes that are no request: before any route, hook or error handler of the server is asked. */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { TuttiError } from '@tutti/contracts'

/**
 * For the server's option `clientErrorHandler`. Its own answer would have another form than every other refusal.
 *
 * @param bodyOf the form of this server's refusals
 */
export const answerUnreadable =
  (bodyOf: (error: TuttiError) => object) =>
  (error: Error & { code?: string; rawPacket?: unknown }, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || socket.destroyed) return
    const known = asKnown(error.code)
    const text = JSON.stringify(bodyOf(known))
    // After the answer to a HEAD nothing may come.
    const isHead = Buffer.isBuffer(error.rawPacket) && error.rawPacket.subarray(0, 5).toString() === 'HEAD '
    const body = isHead ? '' : text
    if (socket.writable)
      socket.write(
        `HTTP/1.1 ${known.status} ${STATUS_CODES[known.status]}\r\nConnection: close\r\n` +
          `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${body}`,
      )
    // Nothing that follows on this connection can be told from the rest of what could not be read.
    socket.destroySoon()
  }

const asKnown = (code: string | undefined): TuttiError => {
  if (code === 'HPE_HEADER_OVERFLOW') return new TuttiError('HEADERS_TOO_LARGE', 'The headers are too large')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new TuttiError('REQUEST_TIMEOUT', 'The request did not come to its end')
  return new TuttiError('INVALID_REQUEST', 'This is no HTTP request')
}
