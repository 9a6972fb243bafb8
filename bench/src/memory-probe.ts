/** Loaded into a server that is measured: what it holds when nothing is left to collect, told to its parent on request. */
process.on('message', () => {
  globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  process.send?.({ heapUsed, external, rss })
})
// The channel alone must not keep it alive.
process.channel?.unref()
