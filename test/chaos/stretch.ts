/**
 * How much slower than alone this machine works now. A thread of its own does a fixed bit of work every so often and compares the
 * time that passed with the processor's time that it took; the quotient is 1 on a quiet machine.
 */
import { Worker } from 'node:worker_threads'

export interface Stretch {
  /** The mean of the worst tenth so far. */
  worst(): number
  median(): number
  stop(): Promise<unknown>
}

export const measureStretch = (): Stretch => {
  const samples: number[] = []
  const worker = new Worker(new URL('stretch-thread.ts', import.meta.url))
  worker.on('message', (sample: number) => samples.push(sample))
  worker.unref()
  const sorted = (): number[] => samples.toSorted((a, b) => a - b)
  return {
    worst: () => {
      const tenth = sorted().slice(-Math.max(1, Math.floor(samples.length / 10)))
      return tenth.reduce((sum, one) => sum + one, 0) / tenth.length || 1
    },
    median: () => sorted()[Math.floor(samples.length / 2)] ?? 1,
    stop: () => worker.terminate(),
  }
}
