import { Readable } from 'node:stream'

const KEEP_BYTES = 1024 * 1024
const BURST_BYTES = 16 * 1024 * 1024
const BURST_MS = 100

/**
 * A copy of a child's output that never holds the child back for lack of a reader: past the bound, bytes are dropped
 * and a line in the stream says how many. Blocking instead would let an unread log stop an agent in mid-turn.
 * A flood is slowed down to 160 MB/s, so that `yes` inside does not take a whole core of the manager.
 */
export function boundedOutput(source: Readable, keepBytes = KEEP_BYTES): Readable {
  let dropped = 0
  let burst = 0
  let resume: NodeJS.Timeout | undefined
  const tellDropped = () => {
    if (dropped === 0) return
    output.push(`\n[${dropped} bytes of output dropped: nobody read them]\n`)
    dropped = 0
  }
  const output = new Readable({
    highWaterMark: keepBytes,
    read() {
      tellDropped()
    },
  })
  source.on('data', (chunk: Buffer) => {
    if (output.readableLength + chunk.length > keepBytes) dropped += chunk.length
    else {
      tellDropped()
      output.push(chunk)
    }
    burst += chunk.length
    if (resume === undefined && burst > 0) {
      resume = setTimeout(() => {
        resume = undefined
        burst = 0
        source.resume()
      }, BURST_MS)
      resume.unref()
    }
    if (burst > BURST_BYTES) source.pause()
  })
  let done = false
  const finish = () => {
    if (done) return
    done = true
    tellDropped()
    output.push(null)
  }
  source.once('end', finish)
  source.once('close', finish)
  source.once('error', finish)
  return output
}
