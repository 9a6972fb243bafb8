import { PassThrough, type Readable } from 'node:stream'
import { READY } from './entry.ts'

const HEADER_BYTES = 8
const STDERR = 2

export interface Output {
  stdout: Readable
  stderr: Readable
  /** True when the command runs next; false when everything ended before. */
  ready: Promise<boolean>
}

/**
 * Takes apart what an engine sends of a container: frames of an 8-byte header (stream, three zeros, length) and text.
 * Waits for the readers, so that a flood is held back where it comes from and not in this process.
 */
export function readOutput(attached: Readable): Output {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const ready = Promise.withResolvers<boolean>()
  let isReady = false
  let before = Buffer.alloc(0)

  const write = async (stream: number, text: Buffer): Promise<void> => {
    let rest = text
    if (stream === STDERR && !isReady) {
      before = Buffer.concat([before, text])
      const at = before.indexOf(READY)
      if (at < 0) return
      isReady = true
      rest = before.subarray(at + READY.length)
      ready.resolve(true)
    }
    const target = stream === STDERR ? stderr : stdout
    if (rest.length > 0 && !target.write(rest)) await new Promise((resolve) => target.once('drain', resolve))
  }

  const run = async (): Promise<void> => {
    let pending = Buffer.alloc(0)
    try {
      for await (const chunk of attached) {
        pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
        while (pending.length >= HEADER_BYTES) {
          const length = pending.readUInt32BE(4)
          if (pending.length < HEADER_BYTES + length) break
          await write(pending.readUInt8(0), pending.subarray(HEADER_BYTES, HEADER_BYTES + length))
          pending = pending.subarray(HEADER_BYTES + length)
        }
      }
    } catch {
      // The engine went away, or the container with it; its end is told elsewhere.
    }
    if (!isReady) stderr.write(before)
    ready.resolve(false)
    stdout.end()
    stderr.end()
  }
  void run()
  return { stdout, stderr, ready: ready.promise }
}
