/** Sending frames at the reader's pace. */
import type { SessionFrame } from '@tutti/contracts'
import type { WebSocket } from 'ws'

export class SlowReaderError extends Error {
  override readonly name = 'SlowReaderError'
}

export interface Pace {
  maxBufferedBytes: number
  slowReaderMs: number
}

/** @throws SlowReaderError when the reader has left too much unread for too long */
export const sendFrames = async (socket: WebSocket, frames: AsyncIterable<SessionFrame>, pace: Pace): Promise<void> => {
  for await (const frame of frames) {
    const sent = sendText(socket, JSON.stringify(frame))
    if (socket.bufferedAmount > pace.maxBufferedBytes) await within(pace.slowReaderMs, sent)
  }
}

/** Resolves when the text has been handed to the network, or never will be. */
const sendText = (socket: WebSocket, text: string): Promise<void> =>
  new Promise((resolve) => {
    socket.send(text, () => resolve())
  })

const within = async (ms: number, sent: Promise<void>): Promise<void> => {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new SlowReaderError('the reader does not keep up')), ms)
  try {
    await Promise.race([sent, late])
  } finally {
    clearTimeout(timer)
  }
}
