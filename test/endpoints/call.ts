/** Requests as they are: nothing is added, repaired or followed, as fetch would. */
import { type IncomingMessage, request } from 'node:http'

export interface Asked {
  method: string
  path: string
  headers?: Record<string, string>
  body?: string
  /** Asks for a WebSocket. */
  upgrade?: boolean
  /** Answers that never end are read this far. */
  firstBytes?: number
}

export interface Answered {
  status: number
  headers: IncomingMessage['headers']
  /** Of a WebSocket: its first frame. */
  text: string
}

/** @throws Error when the connection ends without an answer, or none comes within 15 s */
export const call = (
  base: string,
  { method, path, headers = {}, body, upgrade, firstBytes }: Asked,
): Promise<Answered> =>
  new Promise((resolve, reject) => {
    const asked = request(base + path, {
      method,
      agent: false,
      timeout: 15_000,
      headers: {
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        ...headers,
        ...(upgrade ? upgradeHeaders : {}),
      },
    })
    asked.on('timeout', () => asked.destroy(new Error(`no answer to ${method} ${path} within 15 s`)))
    asked.on('error', reject)
    asked.on('upgrade', (response, socket, head) => {
      const chunks: Buffer[] = [head]
      const look = (): void => {
        const text = firstFrame(Buffer.concat(chunks))
        if (text === undefined) return
        socket.destroy()
        resolve({ status: 101, headers: response.headers, text })
      }
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        look()
      })
      // A stream that has nothing to say yet: that it began is the answer.
      const patience = setTimeout(() => socket.destroy(), 2_000)
      socket.on('error', () => {})
      socket.on('close', () => {
        clearTimeout(patience)
        resolve({ status: 101, headers: response.headers, text: '' })
      })
      look()
    })
    asked.on('response', (response) => {
      const chunks: Buffer[] = []
      const done = (): void => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        })
      }
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        if (firstBytes !== undefined && Buffer.concat(chunks).length >= firstBytes) {
          done()
          response.destroy()
        }
      })
      response.on('end', done)
      response.on('error', () => done())
    })
    asked.end(body)
  })

const upgradeHeaders = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
}

/** A server's frames are not masked. */
const firstFrame = (bytes: Buffer): string | undefined => {
  if (bytes.length < 4) return undefined
  const short = (bytes[1] ?? 0) & 127
  const [start, length] = short === 126 ? [4, bytes.readUInt16BE(2)] : [2, short]
  return bytes.length < start + length ? undefined : bytes.subarray(start, start + length).toString()
}
