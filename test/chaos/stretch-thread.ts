/** The thread of `stretch.ts`. */
import { parentPort } from 'node:worker_threads'

const burstMs = 20
const everyMs = 500

const burst = (): number => {
  const began = performance.now()
  const used = process.threadCpuUsage()
  const spent = (): number => {
    const { user, system } = process.threadCpuUsage(used)
    return (user + system) / 1000
  }
  while (spent() < burstMs);
  return (performance.now() - began) / spent()
}

setInterval(() => parentPort?.postMessage(burst()), everyMs)
