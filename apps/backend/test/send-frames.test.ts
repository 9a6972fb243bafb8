import type { SessionFrame } from '@tutti/contracts'
import { expect, test } from 'vitest'
import type { WebSocket } from 'ws'
import { SlowReaderError, sendFrames } from '../src/stream/send-frames.ts'

async function* frames(count: number): AsyncGenerator<SessionFrame> {
  for (let seq = 1; seq <= count; seq++) yield { type: 'usage', session_id: '', seq, data: {}, timestamp: '' }
}

/** A socket that takes so many texts off the sender's hands, and then none. */
const socketTaking = (count: number) => {
  const sent: string[] = []
  const socket = {
    get bufferedAmount() {
      return sent.length > count ? 10_000 : 0
    },
    send: (text: string, done: () => void) => {
      sent.push(text)
      if (sent.length <= count) done()
    },
  }
  return { sent, socket: socket as unknown as WebSocket }
}

test('sender-stops-at-the-frame-that-a-slow-reader-leaves-unread', async () => {
  const { socket, sent } = socketTaking(3)
  await expect(sendFrames(socket, frames(10), { maxBufferedBytes: 1000, slowReaderMs: 1 })).rejects.toThrow(
    SlowReaderError,
  )
  expect(sent).toHaveLength(4)
})

test('reader-that-keeps-up-gets-every-frame', async () => {
  const { socket, sent } = socketTaking(10)
  await sendFrames(socket, frames(10), { maxBufferedBytes: 1000, slowReaderMs: 1 })
  expect(sent.map((text) => JSON.parse(text).seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})
